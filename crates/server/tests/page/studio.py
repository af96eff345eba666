"""The studio in headless Chromium: generate, cancel, vary, finish, search, paint a mask, ranking aids, a bake-off without a campaign,
download; labels, contrast, order of the focus, targets for fingers, weight, layout shift.

usage: studio.py URL FOLDER     screenshots go to FOLDER; exit code 0 if all is well
"""

import io
import os
import random
import zipfile

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from browser import FOLDER, URL, check, conclude, json, look, open_page, run, shifts, until, view, walk

MAX_WEIGHT = 300_000


def planned(page, place):
    """Waits until the button says what it will take."""
    page.wait_for_selector(f"{place}:not(.old):has-text('about')")
    return page.inner_text(place)


def generate(page):
    page.fill("#prompt", "a red fox")
    page.click("#styles >> text=3d render")
    page.click("#presets >> text=Draft")
    page.fill("#count", "2")
    page.wait_for_selector("#token-count:has-text('of')")
    check("fox" in page.inner_text("#tokens"), "the tokens are not shown")
    said = planned(page, "#generate-plan")
    check("B" in said and "€" in said, f"the button says {said}")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".run .tile.developing")
    page.wait_for_selector(".run[data-state=done] .tile[data-asset]")
    first = page.evaluate("performance.getEntriesByName('first-preview')[0]?.startTime - performance.getEntriesByName('pressed')[0]?.startTime")
    page.click("#generate")
    until(page, "performance.getEntriesByName('first-preview').length > 0")
    again = page.evaluate("performance.getEntriesByName('first-preview')[0]?.startTime - performance.getEntriesByName('pressed')[0]?.startTime")
    look(page, "emerging")
    print(f"button to first preview: {first:.0f} ms of the first job, {again:.0f} ms of the second")
    until(page, "document.querySelectorAll('.run[data-state=done]').length === 2")
    look(page, "create")


# Answers about single jobs are held back until the newest run is over, and what they said is kept.
LATE = """() => {
  const usual = window.fetch;
  window.late = [];
  window.fetch = async (path, init) => {
    const answer = await usual(path, init);
    if (init?.method !== "GET" || !/\\/jobs\\/[^/?]+$/.test(path)) return answer;
    const { state } = await answer.clone().json();
    const over = () => document.querySelector(".run")?.dataset.state === "done";
    while (!over()) await new Promise((resolve) => setTimeout(resolve, 20));
    window.late.push(state);
    return answer;
  };
  window.onTime = () => { window.fetch = usual; };
}"""


def late(page):
    """An answer that says how a job was before it ended, and comes after its end, changes nothing."""
    runs = page.locator(".run").count()
    page.evaluate(LATE)
    # Long enough that the answer is asked for while it is drawn.
    page.fill("#count", "16")
    page.click("#presets >> text=Final")
    planned(page, "#generate-plan")
    page.click("#generate")
    until(page, "(runs) => document.querySelectorAll('.run').length > runs", arg=runs)
    page.wait_for_selector(".run:first-child[data-state=done] .tile[data-asset]")
    until(page, "window.late.length > 0")
    page.evaluate("window.onTime()")
    told = page.evaluate("window.late")
    check(any(state in ("queued", "running") for state in told), f"no answer was late: {told}")
    page.wait_for_timeout(200)
    check(page.get_attribute(".run:first-child", "data-state") == "done", f"a job that is over is shown as {told}")


def cut_and_wrong(page):
    page.fill("#prompt", "fox and tree and " * 60)
    page.wait_for_selector("#tokens .cut")
    check("cut" in page.inner_text("#token-count"), "what is cut is not said")
    page.fill("#prompt", "a red fox")
    page.click("#create-more > summary")
    page.refusals = 400
    page.fill("#steps", "0")
    page.wait_for_selector("#create-form [data-error=steps]:not(:empty)")
    check(page.get_attribute("#steps", "aria-invalid") == "true", "the wrong field is not marked")
    page.screenshot(path=os.path.join(FOLDER, "error.png"))
    page.fill("#steps", "")
    planned(page, "#generate-plan")
    page.refusals = 0
    page.click("#create-more > summary")


def cancel(page):
    page.fill("#count", "16")
    page.click("#presets >> text=Final")
    planned(page, "#generate-plan")
    page.click("#generate")
    page.wait_for_selector(".run[data-state=running]")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    page.wait_for_selector(".run[data-state=cancelled]", timeout=30_000)


def choose_project(page, place, name):
    """Makes a project where pictures are ordered."""
    page.select_option(place, "new")
    page.fill("#ask-words", name)
    page.press("#ask-words", "Enter")
    until(page, "([place, name]) => document.querySelector(place).selectedOptions[0]?.textContent === name", arg=[place, name])


def vary(page):
    view(page, "variations")
    page.select_option("#grid-model", "second")
    choose_project(page, "#grid-project", "Spring")
    page.fill("#grid-prompt", "a {red|blue} {car|cup}")
    page.fill("#grid-seeds", "1")
    page.wait_for_selector("#grid-label:has-text('4 pictures')")
    planned(page, "#grid-plan")
    page.click("#grid-go")
    until(page, "document.querySelectorAll('#grid-stage .tile[data-asset]').length === 4")
    look(page, "variations")
    names = {project["id"]: project["name"] for project in json(page, "projects")}
    drawn = page.evaluate("[...document.querySelectorAll('#grid-stage .tile')].map(({ asset }) => [asset.model, asset.project])")
    check(all(model == "second" and names[project] == "Spring" for model, project in drawn), f"the grid is drawn as {drawn}")
    tiles = page.locator("#grid-stage .tile")
    page.click("#grid-stage >> text=Choose all")
    page.click("#chosen >> text=Compare")
    page.wait_for_selector("#compare[open] .differences")
    check(page.locator("#compare figure").count() == 4, "not all chosen pictures are compared")
    words = page.locator("#compare tbody tr:has(th:text-is('prompt')) td").all_inner_texts()
    check(words == ["a red car", "a red cup", "a blue car", "a blue cup"], f"the prompts that differ are {words}")
    look(page, "compare")
    page.keyboard.press("Escape")
    for index in (2, 3):
        tiles.nth(index).hover()
        tiles.nth(index).locator(".pick").click()
    before = tiles.nth(0).get_attribute("data-asset")
    page.click("#chosen >> text=Finish")
    until(page, "(before) => { const now = document.querySelector('#grid-stage .tile'); return now.asset && now.asset.id !== before && now.asset.recipe.steps === 25; }", arg=before)
    finished = page.evaluate("document.querySelector('#grid-stage .tile').asset.seed")
    seed = page.evaluate("async (id) => (await (await fetch(`/api/v1/assets/${id}`)).json()).seed", before)
    check(finished == seed, f"finished with seed {finished}, the draft had {seed}")
    last = tiles.nth(3)
    before = last.get_attribute("data-asset")
    last.hover()
    last.locator("text=Re-roll").click()
    until(page, "(before) => { const now = [...document.querySelectorAll('#grid-stage .tile')][3]; return now.asset && now.asset.id !== before; }", arg=before)


def library(page):
    view(page, "library")
    page.wait_for_selector("#gallery .tile")
    page.fill("#search", "blue cup")
    until(page, "[...document.querySelectorAll('#gallery .tile')].length > 0 && [...document.querySelectorAll('#gallery .tile')].every((one) => one.asset.prompt === 'a blue cup')")
    page.fill("#search", "nothing has these words")
    page.wait_for_selector("#gallery .empty")
    page.fill("#search", "fox")
    page.wait_for_selector("#gallery .tile")
    look(page, "library")
    page.click("#gallery .tile >> nth=0 >> .open")
    page.wait_for_selector("#detail[open] #relatives")
    page.keyboard.press("f")
    page.wait_for_selector("#detail .heart[aria-pressed=true]")
    page.keyboard.press("4")
    page.wait_for_selector("#detail .stars [aria-checked=true][aria-label='4 stars']")
    page.fill("#detail-tags", "hero, spring")
    page.press("#detail-tags", "Enter")
    page.wait_for_timeout(300)
    for kind, magic in (("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")):
        with page.expect_download() as download:
            page.click(f"#detail a[data-format={kind}]")
        with open(download.value.path(), "rb") as file:
            check(file.read().startswith(magic), f"the {kind} download is none")
    look(page, "detail")
    page.click("#detail >> text=More like this")
    page.wait_for_selector("#view-create:not([hidden]) .run:first-child[data-state=done]")
    check(page.evaluate("document.querySelector('.run .tile').asset.parent !== null"), "a version has no parent")
    view(page, "library")
    page.check("#only-favourites")
    until(page, "document.querySelectorAll('#gallery .tile').length === 1")
    page.select_option("#filter-tag", "hero")
    page.locator("#gallery .tile .pick").click()
    with page.expect_download() as download:
        page.select_option("#chosen select", "png")
    with open(download.value.path(), "rb") as file:
        names = zipfile.ZipFile(io.BytesIO(file.read())).namelist()
    check({"contact-sheet.png", "manifest.csv"} < set(names), f"the ZIP holds {names}")
    page.click("#chosen >> text=Clear")
    page.click("#gallery .tile >> nth=0 >> .open")
    page.click("#detail >> text=Use these settings")
    until(page, "document.getElementById('seed').value !== ''")
    check(page.input_value("#prompt") == "a red fox", "the settings of a picture are not taken over")


def blocks(chance):
    """A picture of coloured blocks on a gradient."""
    image = Image.linear_gradient("L").resize((64, 64)).rotate(90 * chance.randrange(4)).convert("RGB")
    for _ in range(5):
        x, y = chance.randrange(48), chance.randrange(48)
        ImageDraw.Draw(image).rectangle((x, y, x + chance.randrange(8, 30), y + chance.randrange(8, 30)), fill=tuple(chance.randrange(256) for _ in range(3)))
    return image


def bring(page, image):
    """Uploads a picture; gives its id."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return page.request.post(f"{URL}/api/v1/uploads", headers={"content-type": "image/png"}, data=data.getvalue()).json()["id"]


TILES = "document.querySelectorAll('#gallery .tile').length"


def aids(page):
    """Ranking aids for what the search shows: twins folded and unfolded by keys, broken ones hidden, the six most different; with how
    many were looked at while it goes on."""
    chance = random.Random(7)
    for _ in range(60):
        bring(page, blocks(chance))
    twin = blocks(chance)
    twins = [bring(page, twin)]
    twin.putpixel((3, 3), (250, 250, 250))
    twins.append(bring(page, twin))
    flat = bring(page, Image.new("RGB", (64, 64), "#7f7f7f"))
    view(page, "library")
    page.evaluate("document.getElementById('library-form').reset()")
    page.select_option("#filter-kind", "upload")
    total = json(page, "assets?kind=upload")["total"]
    page.wait_for_selector(f"#library-count:text-is('{total} pictures')")
    # The second request is held back: what is said meanwhile can be read.
    asked = []
    page.route("**/assets/aids?*", lambda route: (asked.append(route), len(asked) == 2 or route.continue_()))
    page.check("#library-fold")
    page.wait_for_selector(f"#library-count:has-text('48 of {total} pictures are looked at')")
    asked[1].continue_()
    page.wait_for_selector("#library-count:has-text('of twins')")
    page.unroute("**/assets/aids?*")
    known = json(page, "assets/aids?kind=upload")
    by = {one["asset"]: one for one in known["pictures"]}
    leader = next(one for one in twins if by[one]["leads"])
    check(flat in known["broken"] and by[twins[0]]["group"] == by[twins[1]]["group"], "twins and a flat picture are taken for something else")
    folded = sum(one["leads"] for one in known["pictures"]) + len(known["broken"])
    check(page.inner_text("#library-count").startswith(f"{folded} of {total} pictures"), f"folded: {page.inner_text('#library-count')}")
    # More than a page of tiles comes when it is asked for.
    if page.is_visible("#library-more"):
        page.click("#library-more")
    until(page, f"(folded) => {TILES} === folded", arg=folded)
    check(page.locator(f"[data-asset='{flat}'] .broken").count() == 1, "the flat picture is not said to be broken")
    look(page, "library-folded")
    page.focus(f"[data-asset='{leader}'] .twins")
    page.keyboard.press("Enter")
    until(page, f"(folded) => {TILES} === folded + 1", arg=folded)
    there = page.evaluate("[document.activeElement.className, document.activeElement.getAttribute('aria-expanded'), document.activeElement.closest('.tile').nextElementSibling.dataset.asset]")
    check(there == ["tool twins", "true", next(one for one in twins if one != leader)], f"unfolded: {there}")
    page.keyboard.press("Enter")
    until(page, f"(folded) => {TILES} === folded", arg=folded)
    page.check("#library-sound")
    until(page, f"(sound) => {TILES} === sound", arg=folded - len(known["broken"]))
    page.check("#library-different")
    page.check("#library-space")
    until(page, f"{TILES} === 6")
    shown = page.evaluate("[...document.querySelectorAll('#gallery .tile')].map((one) => one.dataset.asset)")
    check(shown == known["different"], f"the most different are {shown}, not {known['different']}")
    look(page, "library-different")
    page.select_option("#sort", "old")
    until(page, "document.querySelector('#library-count').textContent.includes('of twins')")
    check(page.evaluate("[...document.querySelectorAll('#gallery .tile')].map((one) => one.dataset.asset)") == shown, "another order has other most different ones")
    for name in ("different", "space", "fold"):
        page.uncheck(f"#library-{name}")
    page.evaluate("async (id) => fetch(`/api/v1/assets/${id}`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{\"favourite\": true}' })", flat)
    page.check("#only-favourites")
    page.wait_for_selector("#gallery .empty >> text=All of these are broken")
    look(page, "library-broken")
    page.click("#gallery .empty button")
    until(page, f"{TILES} === 1")
    check(not page.is_checked("#library-sound"), "the switch stays on")
    page.evaluate("document.getElementById('library-form').reset()")
    page.select_option("#sort", "rating")
    page.select_option("#sort", "new")


def mouse_over(page, points):
    """Draws with the mouse over the mask, points in shares of it."""
    box = page.locator("#mask-canvas").bounding_box()
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def marked(page):
    """Per cent that are marked."""
    return int("0" + "".join(one for one in page.inner_text("#mask-status") if one.isdigit()))


def paint(page):
    """A mask by mouse, then one by keys alone; what is not marked stays as it is, pixel for pixel."""
    view(page, "library")
    page.click("#library-form >> text=Favourites")
    page.fill("#search", "a red fox")
    until(page, "[...document.querySelectorAll('#gallery .tile')].length > 0 && [...document.querySelectorAll('#gallery .tile')].every((one) => one.asset.prompt.includes('fox'))")
    page.click("#gallery .tile >> nth=0 >> .open")
    before = page.evaluate("document.querySelector('#gallery .tile').asset")
    page.click("#detail >> text=Draw a part anew")
    page.wait_for_selector("#mask[open] #mask-plan:not(.old):has-text('about')")
    page.click("#mask-go")
    page.wait_for_selector("#mask-form [data-error=mask]:not(:empty)")
    mouse_over(page, [(0.2, 0.2), (0.5, 0.2), (0.8, 0.2)])
    brush = marked(page)
    check(4 <= brush <= 9, f"a stroke of a tenth over six tenths marks {brush} %")
    page.keyboard.press("e")
    mouse_over(page, [(0.5, 0.1), (0.5, 0.3)])
    check(0 < marked(page) < brush, "the eraser takes nothing away")
    page.keyboard.press("r")
    mouse_over(page, [(0.0, 0.5), (0.5, 1.0)])
    check(25 < marked(page) <= 25 + brush, f"a rectangle marks {marked(page)} %")
    look(page, "mask")
    for _ in range(3):
        page.keyboard.press("Control+z")
    check(marked(page) == 0, "undo leaves something")
    page.keyboard.press("Control+y")
    check(marked(page) == brush, "redo does not bring the stroke back")
    page.click("#mask-nothing")
    page.focus("#mask-numbers summary")
    page.keyboard.press("Enter")
    for number in ("50", "0", "50", "100"):
        page.keyboard.press("Tab")
        page.keyboard.type(number)
    check(page.is_visible("#mask-box"), "the rectangle is not shown before it is marked")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    check(marked(page) == 50, f"half of it by numbers is {marked(page)} %")
    page.fill("#mask-prompt", "a blue fox")
    page.fill("#mask-count", "1")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#view-create:not([hidden]) .run:first-child[data-state=done] .tile[data-asset]")
    after = page.evaluate("document.querySelector('.run .tile').asset")
    check(after["parent"] == before["id"] and after["prompt"] == "a blue fox", f"drawn anew: {after}")
    old, new = (Image.open(io.BytesIO(page.request.get(URL + one["url"]).body())).convert("RGBA") for one in (before, after))
    left, right = (0, 0, old.width // 2 - 1, old.height), (old.width // 2 + 1, 0, old.width, old.height)
    check(old.crop(left).tobytes() == new.crop(left).tobytes(), "what was not marked has changed")
    check(old.crop(right).tobytes() != new.crop(right).tobytes(), "what was marked is as it was")


def quality_and_queue(page):
    view(page, "quality")
    page.select_option("#quality-model", "second")
    page.select_option("#quality-project", label="Spring")
    planned(page, "#quality-plan")
    page.click("#quality-go")
    page.wait_for_selector("#quality-chart svg")
    page.wait_for_selector("#usage table")
    drawn = json(page, "jobs?limit=1")["jobs"][0]
    check(drawn["model"] == "second" and drawn["project"] != "default", f"compared with {drawn}")
    look(page, "quality")
    view(page, "queue")
    page.wait_for_selector("#queue-past .job")
    picture = os.path.join(FOLDER, "dropped.png")
    with open(picture, "wb") as file:
        file.write(page.request.get(URL + page.evaluate("fetch('/api/v1/assets?limit=1').then((r) => r.json()).then((r) => r.assets[0].url)")).body())
    page.set_input_files("#drop-file", picture)
    page.wait_for_selector("#inspected >> text=Use these settings")
    look(page, "queue")


def bakeoff(page):
    """Which model is best, before there is a campaign: prompts of the library, a size, votes by keys that no other view takes."""
    view(page, "quality")
    page.click("#quality-parts >> text=Bake-offs")
    page.wait_for_selector("#quality-bakeoffs .empty")
    look(page, "bakeoffs-empty")
    page.click("#quality-bakeoffs >> text=Set up a bake-off")
    planned(page, ".bakeoff-form button[type=submit] span")
    words = page.evaluate("[...document.querySelectorAll('[data-field=prompt]')].map((one) => one.value)")
    best = [one["prompt"] for one in json(page, "assets?sort=rating&limit=60")["assets"]]
    check(words == list(dict.fromkeys(best))[:6] and len(words) > 2, f"the prompts are {words}, those of the best pictures {best}")
    for _ in words[2:]:
        page.click(".bakeoff-row.prompt >> nth=0 >> [aria-label=Remove]")
    models = page.evaluate("[...document.querySelectorAll('.contestant [data-field=model]')].map((one) => one.value)")
    check(models == ["default", "second"], f"the contestants are {models}")
    page.refusals = 400
    page.select_option("#bakeoff-shape", "custom")
    page.fill("#bakeoff-size", "very large")
    # The button is far below the name that is missing: what is wrong comes into sight.
    size = page.viewport_size
    page.set_viewport_size({**size, "height": 420})
    page.click(".bakeoff-form button[type=submit]")
    page.wait_for_selector(".bakeoff-form [data-error=name]:not(:empty)")
    until(page, "Math.abs(document.querySelector('#bakeoff-name').getBoundingClientRect().top - 240) < 180")
    page.set_viewport_size(size)
    page.fill("#bakeoff-name", "Before anything")
    page.click(".bakeoff-form button[type=submit]")
    page.wait_for_selector(".bakeoff-form [data-error=size]:not(:empty)")
    check(page.get_attribute("#bakeoff-size", "aria-invalid") == "true", "the wrong size is not marked")
    page.fill("#bakeoff-size", "64x64")
    planned(page, ".bakeoff-form button[type=submit] span")
    page.refusals = 0
    look(page, "bakeoff-setup")
    page.focus(".skip")
    walk(page, "bakeoff-setup")
    page.focus("#bakeoff-name")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".bakeoff-list .card")
    one = json(page, "bakeoffs")["bakeoffs"][0]
    check(one["campaign"] is None and one["size"] == "64x64" and len(one["prompts"]) == 2, f"made: {one}")
    # The card follows the pictures.
    page.wait_for_selector(".bakeoff-list .card:not(:has(progress)):has-text('4 pictures')")
    look(page, "bakeoffs")
    page.click(".bakeoff-list button:text-is('Vote')")
    page.wait_for_selector(".duel img")
    look(page, "duel")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".duel-head >> text=1 of 2 pairs")
    view(page, "library")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    check(json(page, f"bakeoffs/{one['id']}")["votes"] == 1, "a key of another view was a vote")
    page.go_back()
    page.click(".bakeoff-list button:text-is('Vote')")
    page.wait_for_selector(".duel img")
    page.keyboard.press("x")
    page.click(".duel-place .empty >> text=Show the results")
    page.wait_for_selector(".ratings svg")
    look(page, "bakeoff-results")
    page.click(".duel-head >> text=Back")
    page.wait_for_selector(".bakeoff-list >> text=2 votes")
    check(page.locator(".bakeoff-list a").count() == 0, "a bake-off by itself belongs to a campaign")


def keyboard(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("1")
    page.wait_for_selector("#view-create:not([hidden])")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    look(page, "help")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    check(page.evaluate("document.activeElement.id") == "search", "/ does not go to the search")
    for name in ("create", "variations", "library", "quality", "queue"):
        view(page, name)
        page.focus(".skip")
        walk(page, name)


def portrait(page):
    """The picture of the README: two runs of four, nothing else."""
    view(page, "create")
    page.fill("#seed", "")
    page.click("#create-more > summary")
    page.fill("#count", "4")
    page.click("#presets >> text=Final")
    page.click("#styles >> text=3d render")
    for prompt in ("a green car", "a red fox"):
        page.fill("#prompt", prompt)
        planned(page, "#generate-plan")
        page.click("#generate")
        page.wait_for_selector(f".run:first-child[data-state=done] >> text={prompt}")
    page.evaluate("for (const run of [...document.querySelectorAll('.run')].slice(2)) run.remove()")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(5, 400)
    page.wait_for_timeout(600)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(os.path.join(FOLDER, "studio.png"), optimize=True)


def main():
    with sync_playwright() as playwright:
        path = os.environ.get("CALOTYPE_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = open_page(browser, viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.wait_for_timeout(1500)
        look(page, "empty")
        weight = sum(len(answer.body()) for answer in page.answers)
        check(50_000 < weight <= MAX_WEIGHT, f"the page has {weight} bytes")
        print(f"page weight: {weight} bytes in {len(page.answers)} files")
        run(page, (generate, late, cut_and_wrong, cancel, vary, library, paint, aids, quality_and_queue, bakeoff, keyboard, portrait))
        shifts(page, "light")
        for name, options in (
            ("dark", {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}),
            ("phone", {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}),
        ):
            page = open_page(browser, **options)
            for tab in ("create", "variations", "library", "quality", "queue"):
                view(page, tab)
                page.wait_for_timeout(800)
                look(page, f"{name}-{tab}")
            page.goto(f"{URL}/#quality/bakeoffs")
            page.wait_for_selector(".bakeoff-list .card")
            look(page, f"{name}-bakeoffs")
            page.click("text=Set up a bake-off")
            planned(page, ".bakeoff-form button[type=submit] span")
            look(page, f"{name}-bakeoff-setup")
            view(page, "library")
            page.check("#library-fold")
            page.wait_for_selector("#library-count:has-text('of twins')")
            look(page, f"{name}-library-folded")
            page.uncheck("#library-fold")
            page.wait_for_selector("#library-count:not(:has-text('of twins'))")
            page.click("#gallery .tile >> nth=0 >> .open")
            page.wait_for_selector("#detail[open] img")
            look(page, f"{name}-detail")
            page.click("#detail >> text=Draw a part anew")
            page.wait_for_selector("#mask[open] #mask-plan:not(.old):has-text('about')")
            page.click("#mask-numbers summary")
            page.click("#mask-add")
            look(page, f"{name}-mask")
            shifts(page, name)
        browser.close()
    conclude()


main()
