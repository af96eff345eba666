"""What every script that drives the page needs: opening it, looking at it, saying what is wrong.

CALOTYPE_AXE names axe.min.js of the package axe-core, whose rules are then checked as well.
"""

import io
import os
import sys
import time

from PIL import Image

URL, FOLDER = sys.argv[1], sys.argv[2]
PATIENCE = 240_000
MAX_SHIFT = 0.05
# A folder that the pictures of docs/campaigns.md are written to, and the most bytes of one.
IMAGES = os.environ.get("CALOTYPE_DOCS_IMAGES")
MAX_IMAGE = 60_000
problems = []

WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
    window.shifts.push([entry.value, document.body.dataset.view, entry.sources.map((one) => one.node?.id || one.node?.className || one.node?.nodeName)]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""

# Whether every answer that is seen is that to the last question: older ones are pale.
SETTLED = "() => [...document.querySelectorAll('.old')].every((one) => !one.checkVisibility())"

UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea, button, a[href], progress, [role=img]")].filter((one) => {
  if (!one.checkVisibility()) return false;
  const named = one.getAttribute("aria-label") || one.getAttribute("title") || one.labels?.length && [...one.labels].some((label) => label.textContent.trim());
  return !(named || ["BUTTON", "A"].includes(one.tagName) && one.textContent.trim());
}).map((one) => one.outerHTML.slice(0, 120))"""

# Contrast of every text that is seen, on the nearest opaque ground behind it.
PALE = """() => {
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1); return context.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (one) => { for (; one; one = one.parentElement) { const colour = rgba(getComputedStyle(one).backgroundColor); if (colour[3] > 250) return colour; } return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || one.closest(":disabled, .sr, option, title, noscript")) continue;
    const style = getComputedStyle(one);
    const colour = one instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(rgba(colour)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${one.tagName}.${one.className}: ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""


# Too small for a finger: text fields, boxes and what is pressed, but for links inside text and boxes inside their labels.
SMALL = """() => [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("a[href], button, input, select, textarea, summary, label:has(input)")].filter((one) => {
  if (one.disabled || !one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || one.matches("label > input")) return false;
  if (one.matches("a") && getComputedStyle(one).display === "inline") return false;
  const box = one.getBoundingClientRect();
  return box.width > 1 && (box.width < 43.5 || box.height < 43.5);
}).map((one) => { const box = one.getBoundingClientRect(); return `${box.width.toFixed()} x ${box.height.toFixed()}: ${one.outerHTML.slice(0, 100)}`; })"""

# Rules of WCAG 2.2, A and AA, and of good practice.
RULES = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { passes, violations } = await axe.run(document, { runOnly: tags });
  const where = (one) => one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ");
  return { passed: passes.length, broken: violations.map((one) => `${one.id} (${one.help}): ${where(one)}`) };
}"""
AXE = os.environ.get("CALOTYPE_AXE")

# What has the focus: its place, whether it can be seen, and whether something shows that it has the focus.
FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const box = one.getBoundingClientRect();
  const styles = [one, one.nextElementSibling, one.closest("label")].filter(Boolean).map((shown) => getComputedStyle(shown));
  const all = [...document.querySelectorAll("*")];
  return { name: one.id || one.outerHTML.slice(0, 80), index: all.indexOf(one), x: box.x, y: box.y, seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    ring: styles.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) };
}"""


def check(fine, text):
    """Says what is wrong and goes on, so that one run tells everything."""
    if not fine:
        problems.append(text)
        print(f"WRONG: {text}")


def until(page, condition, arg=None):
    """Waits for a condition in the page, whose policy forbids what `wait_for_function` does."""
    end = time.time() + PATIENCE / 1000
    while not page.evaluate(condition, arg):
        if time.time() > end:
            raise TimeoutError(condition)
        page.wait_for_timeout(100)


def picture(page, name):
    """The page as it is, for the documentation."""
    if not IMAGES:
        return
    page.mouse.move(2, 450)
    page.wait_for_timeout(500)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)
    for quality in range(82, 20, -6):
        data = io.BytesIO()
        image.save(data, "WEBP", quality=quality, method=6)
        if data.tell() <= MAX_IMAGE:
            break
    with open(os.path.join(IMAGES, f"campaign-{name}.webp"), "wb") as file:
        file.write(data.getvalue())


def look(page, name):
    """A screenshot, and what can be seen of labels, contrast and width."""
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(400)
    page.screenshot(path=os.path.join(FOLDER, f"{name}.png"))
    for text in page.evaluate(UNLABELLED):
        check(False, f"{name}: no label: {text}")
    for text in page.evaluate(PALE):
        check(False, f"{name}: contrast {text}")
    if page.is_phone:
        for text in page.evaluate(SMALL):
            check(False, f"{name}: too small for a finger: {text}")
    if AXE:
        with open(AXE, encoding="utf-8") as file:
            page.evaluate(file.read())
        found = page.evaluate(RULES)
        check(found["passed"] > 15, f"{name}: only {found['passed']} rules were checked")
        for text in found["broken"]:
            check(False, f"{name}: {text}")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(wide <= 0, f"{name}: {wide} px wider than the window")


def console(page, said):
    """Nothing may be complained of, but for what the test itself makes wrong: browsers report each refused request, and the test
    names the one status that it provokes."""
    if page.refusals and f"status of {page.refusals}" in said.text:
        return
    check(said.type not in ("error", "warning"), f"console: {said.text}")


def open_page(browser, path="/", **options):
    context = browser.new_context(accept_downloads=True, **options)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.set_default_timeout(PATIENCE / 2)
    page.refusals = 0
    page.is_phone = options.get("is_mobile", False)
    page.on("console", lambda said: console(page, said))
    page.on("pageerror", lambda error: check(False, f"script: {error}"))
    page.answers = []

    def keep(response):
        path = response.url[len(URL):]
        if path == "/" or path.startswith(("/studio/", "/shared/")) or path == "/favicon.svg":
            page.answers.append(response)
            if response.status == 401:
                return
            policy = response.headers.get("content-security-policy", "")
            check("script-src 'self';" in policy and "unsafe" not in policy, f"{path}: policy {policy}")

    page.on("response", keep)
    page.goto(URL + path)
    page.wait_for_selector("body[data-ready=yes]")
    return page


def view(page, name):
    page.click(f"#tabs >> a[data-view={name}]")
    page.wait_for_selector(f"#view-{name}:not([hidden])")


def shifts(page, name):
    all_of_them = sorted(page.evaluate("window.shifts"), reverse=True, key=lambda shift: shift[0])
    total = sum(shift[0] for shift in all_of_them)
    check(total <= MAX_SHIFT, f"{name}: layout shift {total:.3f}: {all_of_them[:4]}")
    print(f"{name}: layout shift {total:.4f}")


def walk(page, name):
    """Through a view by Tab: everything that has the focus is seen to have it, and comes in the order of the document."""
    last, steps = -1, 0
    while steps < 150:
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUS)
        if now is None or now["name"].startswith('<a class="skip'):
            break
        check(now["index"] > last, f"{name}: the focus goes back to {now['name']}")
        check(now["seen"] and now["ring"], f"{name}: the focus cannot be seen on {now['name']}")
        last, steps = now["index"], steps + 1
    check(steps >= 10, f"{name}: only {steps} things can have the focus")

def json(page, path):
    return page.evaluate("async (path) => (await fetch(`/api/v1/${path}`)).json()", path)


def run(page, steps):
    """Takes the steps of a walk, with the time of each; a picture of the page where one breaks off."""
    for step in steps:
        begin = time.time()
        try:
            step(page)
        except Exception:
            page.screenshot(path=os.path.join(FOLDER, f"{step.__name__}-failed.png"))
            raise
        print(f"{step.__name__}: {time.time() - begin:.1f} s")


def conclude():
    print(f"{len(problems)} problems; " + ("axe-core has looked as well" if AXE else "axe-core was skipped: CALOTYPE_AXE is not set"))
    sys.exit(1 if problems else 0)
