"""A campaign in headless Chromium, from its brief to a winner and the round after it: what the first rows become, mistakes in rows,
drafts as they emerge, picks by keys alone, finals, aids, review with pinned comments, a share link and its end, how satisfied people
are, the rest in winner.py, deletion.

usage: campaign.py URL FOLDER     screenshots go to FOLDER; exit code 0 if all is well

One function is one step, and STEPS is the way. CALOTYPE_DOCS_IMAGES names a folder that the pictures of docs/campaigns.md are
written to; then the drafts are as large as people's.
"""

import os
import re

from playwright.sync_api import sync_playwright

import winner
from browser import FOLDER, IMAGES, URL, check, conclude, json, look, open_page, picture, run, shifts, until, view

SIZE = "256x256" if IMAGES else "64x64"
NAME = "Spring"
BAD_ROWS = "id,thing,headline\nfox,fox,Run\ncar,,Drive\ncup,cup of coffee,\n"
ROWS = "id,thing,headline\nfox,fox,Run with us\ncar,car,Drive home\ncup,cup of coffee,Take a break\n"


def campaign(page):
    """The campaign as the server tells it."""
    return json(page, f"campaigns/{page.campaign}")


def part(page, name):
    page.click(f"nav.parts >> a[href$='/{name}']")
    page.wait_for_selector(f".campaign-part[data-part={name}]")


def ready(page):
    """Waits until nothing is drawn any more, and the page has seen it."""
    page.wait_for_selector(".campaign-title .tag:not([data-state=running])")
    until(page, "async (id) => (await (await fetch(`/api/v1/campaigns/${id}`)).json()).state === 'ready'", arg=page.campaign)


def nothing_yet(page):
    view(page, "campaigns")
    page.wait_for_selector("#campaigns .empty")
    look(page, "campaign-empty")
    page.click("#campaigns >> text=New campaign")
    page.wait_for_selector("#brief-form")


def brief(page):
    """The form: slots as chips, what the rows become, and what all of it takes."""
    page.refusals = 400
    page.fill("#brief-prompt", "a 3d render of a {colour} {thing}")
    until(page, "document.querySelector('.slots').textContent.includes('{thing}')")
    for _ in range(2):
        page.press("#slot-colour", "Backspace")
    page.wait_for_selector("#brief-form [data-error^='brief.slots']:not(:empty), #brief-form [data-error='']:not(:empty), #brief-form [data-error=rows]:not(:empty)")
    page.fill("#slot-colour", "red")
    page.press("#slot-colour", "Enter")
    page.keyboard.type("blue,")
    check(page.locator(".slot .value-chip").count() == 2, "values are not chips")
    page.click("#brief-form .more summary")
    page.select_option("#brief-shape", "custom")
    page.fill("#brief-size", SIZE)
    page.fill("#brief-candidates", "4")
    page.fill("#brief-seed", "7")
    page.fill("#brief-audience", "people who like small pictures")
    page.fill("#brief-deadline", "2099-03-01")
    page.fill("#brief-budget", "25")
    # A mistake is told in its row and column.
    page.fill("#brief-csv", BAD_ROWS)
    page.wait_for_selector("#brief-mistakes .wrong")
    wrong = page.locator("#brief-mistakes tbody tr").all_inner_texts()
    check(any("Row 2" in text and "line 3" in text and "empty" in text for text in wrong), f"the mistakes are {wrong}")
    look(page, "campaign-mistakes")
    page.set_input_files("#brief-file", files=[{"name": "rows.csv", "mimeType": "text/csv", "buffer": ROWS.encode("utf-16")}])
    page.wait_for_selector("#brief-plan:not(.old):has-text('about')")
    page.refusals = 0
    rows = page.locator(".first-table tbody tr").all_inner_texts()
    check(len(rows) == 6 and "a 3d render of a red fox" in rows[0] and "Run with us" in rows[0], f"the first rows become {rows}")
    said = page.inner_text("#brief-go")
    check("24 drafts" in said and "€" in said, f"the button says {said}")
    page.refusals = 400
    page.click("#brief-go")
    page.wait_for_selector("#brief-form [data-error='brief.name']:not(:empty)")
    page.refusals = 0
    page.fill("#brief-name", NAME)
    page.wait_for_selector("#brief-plan:not(.old):has-text('about')")
    look(page, "campaign-brief")
    picture(page, "brief")


def drafts(page):
    """Drafts come while one looks, and a reload changes nothing."""
    page.click("#brief-go")
    page.wait_for_selector(".campaign-head h2")
    page.campaign = re.search(r"campaigns/([0-9a-f]+)", page.url)[1]
    page.wait_for_selector(".campaign-title .tag[data-state=running]")
    page.wait_for_selector(".cell[data-candidate]")
    look(page, "campaign-drawing")
    ready(page)
    until(page, "document.querySelectorAll('.cell[data-candidate]').length === 24")
    page.reload()
    until(page, "document.querySelectorAll('.cell[data-candidate]').length === 24")
    told = campaign(page)
    check(told["pictures"] == 24 and told["progress"]["drafted"] == 6, f"drawn: {told}")
    facts = page.inner_text(".campaign-head .facts-line")
    check("took" in facts and "planned" in facts, f"plan and actual: {facts}")
    check("€" in page.inner_text(".campaign-head .budget"), "the budget is not told")
    look(page, "campaign-grid")


def picks(page):
    """By keys alone: arrows, Space and P, Enter; and back."""
    page.focus(".cell[tabindex='0']")
    for key in ("ArrowRight", " ", "ArrowDown", "p", "ArrowLeft", "ArrowDown", "ArrowDown", "End", "p", "p", "Home", " "):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    until(page, "document.querySelectorAll('.cell.is-picked').length === 3")
    where = page.evaluate("[...document.querySelectorAll('.cell.is-picked')].map((one) => [one.candidate.row, one.candidate.position])")
    check(where == [["fox-1", 1], ["fox-2", 1], ["car-2", 0]], f"picked: {where}")
    page.wait_for_timeout(300)
    check(campaign(page)["progress"]["picked"] == 3, f"the server knows of {campaign(page)['progress']}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#candidate[open]")
    look(page, "campaign-candidate")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("p")
    page.wait_for_selector("#candidate button[aria-pressed=true]")
    page.keyboard.press("p")
    page.wait_for_selector("#candidate button[aria-pressed=false]")
    page.keyboard.press("Escape")
    check(page.evaluate("document.activeElement.dataset.candidate !== undefined"), "the focus is lost when the draft is closed")
    # Filters.
    page.fill("#grid-search", "COFFEE")
    until(page, "document.querySelectorAll('.line').length === 2 && document.querySelector('.line-head b').textContent === 'cup-1'")
    page.fill("#grid-search", "")
    page.select_option("#grid-picked", "true")
    until(page, "document.querySelectorAll('.line').length === 3")
    page.fill("#grid-search", "nothing like this")
    page.wait_for_selector(".campaign-part .empty")
    page.click(".campaign-part .empty >> text=Show everything")
    until(page, "document.querySelectorAll('.line').length === 6")
    look(page, "campaign-picks")


def aids(page):
    """What can be measured groups and hides."""
    page.click("#grid-different")
    until(page, "document.querySelectorAll('.line.flat').length > 0")
    until(page, "document.querySelectorAll('.cell[data-candidate]').length === 6")
    page.check("#grid-space")
    look(page, "campaign-different")
    page.uncheck("#grid-different")
    page.uncheck("#grid-space")
    page.check("#grid-fold")
    page.check("#grid-sound")
    until(page, "document.querySelectorAll('.line:not(.flat)').length === 6")
    found = json(page, f"campaigns/{page.campaign}/aids")
    shown = page.locator(".cell[data-candidate]").count()
    check(shown == sum(one["leads"] for one in found["pictures"]), f"{shown} drafts are shown of {len(found['groups'])} groups")
    page.select_option("#grid-order", "quiet")
    page.wait_for_selector(".line.flat")
    look(page, "campaign-order")
    page.select_option("#grid-order", "")
    page.uncheck("#grid-fold")
    page.uncheck("#grid-sound")
    until(page, "document.querySelectorAll('.cell[data-candidate]').length === 24")


def finals(page):
    """The picks at full quality, with the seeds of their drafts."""
    button = page.locator(".pick-bar .run-stage")
    until(page, "document.querySelector('.pick-bar .run-stage b').textContent === 'Draw 3 finals'")
    check("€" in button.inner_text(), f"the button says {button.inner_text()}")
    picture(page, "grid")
    button.click()
    until(page, "document.querySelector('.pick-bar b').textContent === '3 picked, 3 finished'")
    ready(page)
    until(page, "document.querySelectorAll('.cell .badge').length === 3")
    page.check("#grid-finals")
    for one in json(page, f"campaigns/{page.campaign}/candidates?picked=true")["candidates"]:
        final = json(page, f"assets/{one['final']}")
        check(final["seed"] == one["seed"], f"the final has seed {final['seed']}, its draft {one['seed']}")
    look(page, "campaign-finals")


def review(page):
    """Draft, in review, changes asked, in review, approved: with names, notes, pins and a lock."""
    part(page, "review")
    page.wait_for_selector(".review-item")
    page.fill("#review-name", "anna")
    page.press("#review-name", "Tab")
    check(page.locator("[data-move]").count() == 2, "a draft may go elsewhere than into the review or away")
    page.click("text=Ask for review of 3")
    page.wait_for_selector("[data-move=approved]")
    until(page, "[...document.querySelectorAll('.review-item .tag')].filter((one) => one.textContent === 'In review').length === 3")
    page.fill("#comment-text", "too dark")
    box = page.locator(".pin-board > img").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".pins .pin >> text=1")
    # The same without a mouse: a place by numbers, moved by arrows.
    page.focus(".comment-form .numbers summary")
    page.keyboard.press("Enter")
    page.fill("#comment-x", "60")
    page.fill("#comment-y", "20")
    page.focus(".pin.new")
    page.keyboard.press("ArrowRight")
    page.fill("#comment-text", "more sky")
    page.click(".comment-form button[type=submit]")
    page.wait_for_selector(".pins .pin >> text=2")
    found = json(page, f"candidates/{page.get_attribute('.review-item[aria-current=true]', 'data-pick')}")
    pins = [(round(one["x"], 2), round(one["y"], 2), one["author"]) for one in found["comments"]]
    check(pins == [(0.25, 0.75, "anna"), (0.62, 0.2, "anna")], f"pinned at {pins}")
    page.fill("#review-note", "lighter, please")
    page.click("[data-move=changes_asked]")
    page.wait_for_selector(".history >> text=lighter, please")
    look(page, "campaign-review")
    page.click("[data-move=in_review]")
    page.wait_for_selector("[data-move=approved]")
    page.click(".lock")
    page.wait_for_selector(".lock[aria-pressed=true]")
    page.fill("#review-name", "ben")
    page.press("#review-name", "Tab")
    page.wait_for_selector(".review-facts .notice:has-text('anna locked it')")
    check(page.locator("[data-move]").count() == 0, "somebody else can move what is locked")
    page.fill("#review-name", "anna")
    page.press("#review-name", "Tab")
    page.wait_for_selector(".lock[aria-pressed=true]")
    page.click(".lock")
    page.wait_for_selector(".lock[aria-pressed=false]")


def approve(page):
    for index in range(3):
        page.locator(".review-item").nth(index).click()
        until(page, "(index) => document.querySelectorAll('.review-item')[index].getAttribute('aria-current') === 'true'", arg=index)
        page.wait_for_selector("[data-move=approved]")
        page.click("[data-move=approved]")
        page.wait_for_selector(".review-facts > p .tag.good")
    page.wait_for_selector(".campaign-title .tag.good")
    check(campaign(page)["progress"]["approved"] == 3, "not all are approved")
    page.locator(".review-item").nth(0).click()
    page.wait_for_selector(".pins .pin >> text=2")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "review")
    page.click("text=Beside each other")
    page.wait_for_selector(".beside-board figure")
    look(page, "campaign-beside")


def share(page):
    """Somebody without a key looks and comments; then the link is revoked, and says so."""
    page.click("text=Make a link")
    page.wait_for_selector(".share-form [data-error=label]:not(:empty)")
    page.fill("#share-label", "agency")
    page.select_option("#share-days", "7")
    page.click("text=Make a link")
    page.wait_for_selector("#share-address")
    address = page.input_value("#share-address")
    look(page, "campaign-share")
    for name, options in page.visitors.items():
        visitor = open_page(page.context.browser, address[len(URL):], **options)
        visitor.wait_for_selector(".shared-pick img")
        check(visitor.locator(".shared-pick").count() == 3, "not all picks are shared")
        look(visitor, f"shared-{name}")
        if name == "light":
            picture(visitor, "shared")
        text = visitor.content()
        check(not any(word in text for word in ("3d render", "seed", "€")), "the page of a link tells more than it should")
        visitor.locator(".shared-open").first.click()
        visitor.wait_for_selector("#look[open] .pin-board img")
        visitor.fill("#shared-by", "mia")
        # Each to a place of their own: pins lie above the picture.
        visitor.click("#look .pin-board > img", position={"x": 40 + 70 * list(page.visitors).index(name), "y": 40})
        visitor.fill("#comment-text", f"lovely in {name}")
        visitor.click("#look .comment-form button[type=submit]")
        visitor.wait_for_selector(f"#look .said:has-text('lovely in {name}')")
        look(visitor, f"shared-look-{name}")
        visitor.refusals = 401
        page.visitor = visitor
    page.click(".links >> text=Revoke")
    page.click("#ask .danger")
    page.wait_for_selector(".links .ended")
    page.visitor.keyboard.press("ArrowRight")
    page.visitor.wait_for_selector("#shared .empty >> text=This link opens nothing any more")
    answer = page.visitor.goto(address)
    check(answer.status == 401 and "www-authenticate" not in answer.headers, f"a dead link is answered with {answer.status}")
    check(page.visitor.inner_text("h1") == "This link opens nothing any more", "a dead link does not say so")
    page.visitor.screenshot(path=os.path.join(FOLDER, "shared-over.png"))
    page.visitor.context.close()
    part(page, "grid")
    part(page, "review")
    page.wait_for_selector(".comments >> text=by the share link")


def pulse(page):
    page.click(".faces [data-score='4']")
    page.click(".pulse-card >> text=how easy")
    page.wait_for_selector(".pulse-card >> text=Thank you")
    told = json(page, f"campaigns/{page.campaign}/pulses")
    check([(one["score"], one["reason"], one["who"]) for one in told] == [(4, "how easy", "anna")], f"the pulse is {told}")


def listed(page):
    view(page, "campaigns")
    page.wait_for_selector(".campaign-card .cover img")
    check("3 approved" in page.inner_text(".campaign-card"), "the card does not say how far it is")
    look(page, "campaign-list")


def other_lights(page):
    """Every part in the dark and on a phone."""
    for name, options in page.visitors.items():
        if name == "light":
            continue
        other = open_page(page.context.browser, **options)
        view(other, "campaigns")
        other.wait_for_selector(".campaign-card .cover img")
        look(other, f"{name}-campaign-list")
        for step in ("grid", "review"):
            other.goto(f"{URL}/#campaigns/{page.campaign}/{step}")
            other.wait_for_selector(".cell[data-candidate] img" if step == "grid" else ".pin-board img")
            other.wait_for_timeout(400)
            look(other, f"{name}-campaign-{step}")
        other.goto(f"{URL}/#campaigns/new")
        other.wait_for_selector("#brief-plan:not(.old)")
        look(other, f"{name}-campaign-brief")
        shifts(other, name)
        other.context.close()


MANY = 500


def many(page):
    """Five hundred rows of eight drafts: what is on the page stays little, and keys reach the end."""
    csv = "id,thing\n" + "".join(f"r{i:04},fox number {i}\n" for i in range(MANY))
    made = page.evaluate("""async (csv) => {
      const brief = { name: "Many", prompt: "{thing}", candidates: 8, size: "64x64" };
      const answer = await fetch("/api/v1/campaigns", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ brief, csv }) });
      return answer.json();
    }""", csv)
    page.goto(f"{URL}/#campaigns/{made['id']}/grid")
    page.wait_for_selector(".line-head >> text=r0000")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_selector(f".line-head >> text=r{MANY - 1:04}")
    there = page.locator(".line").count()
    check(there < 60, f"{there} of {MANY} rows are on the page at once")
    page.campaign, own = made["id"], page.campaign
    deleted(page)
    page.campaign = own


def deleted(page):
    """After a question, and with what happens to the pictures."""
    page.refusals = 404
    pictures = campaign(page)["pictures"]
    page.goto(f"{URL}/#campaigns/{page.campaign}/grid")
    page.evaluate("scrollTo(0, 0)")
    page.click(".campaign-title >> text=Delete")
    page.wait_for_selector("#ask[open]")
    if pictures:
        look(page, "campaign-delete")
        page.check("#ask-pictures")
    page.click("#ask .danger")
    page.wait_for_selector("#campaigns:not(:has(.campaign-head))")
    gone = page.evaluate("async (id) => (await fetch(`/api/v1/campaigns/${id}`)).status", page.campaign)
    check(gone == 404, f"a deleted campaign answers with {gone}")
    left = json(page, f"assets?batch={page.campaign}")["total"]
    check(left == 0, f"{left} pictures are left")


STEPS = (nothing_yet, brief, drafts, picks, aids, finals, review, approve, share, pulse, listed, other_lights,
         winner.bakeoff, winner.deliver, winner.trial, winner.next_round, winner.other_words,
         winner.report, winner.around, many, deleted)


def main():
    with sync_playwright() as playwright:
        path = os.environ.get("CALOTYPE_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = open_page(browser, viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.visitors = {
            "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
            "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
            "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
        }
        run(page, STEPS)
        shifts(page, "light")
        browser.close()
    conclude()


main()
