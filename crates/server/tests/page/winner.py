"""The second half of a campaign's way in a browser, which campaign.py walks: a bake-off by keys, files for channels, a test on people
whose results come from a file, its winner, the round after it, with the same words and with others, the report, and the views of brand and
costs.
"""

import io
import zipfile

from browser import URL, check, json, look, picture, until, view, walk

DAYS, PEOPLE = 14, 4000
# Clicks a day of each picture; the second is better beyond doubt.
CLICKS = (80, 150, 82)
COLUMNS = "creative,day,people,clicks\n"


def part(page, name):
    page.goto(f"{URL}/#campaigns/{page.campaign}/{name}")
    page.wait_for_selector(f".campaign-part[data-part={name}]")


def bakeoff(page):
    """Two presets draw the prompts; pairs are judged by keys, without names; then the names, with how sure it is."""
    part(page, "bakeoff")
    page.click("text=Set up a bake-off")
    page.wait_for_selector(".bakeoff-form button[type=submit] span:has-text('about')")
    look(page, "campaign-bakeoff-setup")
    page.click(".bakeoff-form button[type=submit]")
    page.wait_for_selector(".bakeoff-list")
    until(page, "async (id) => (await (await fetch(`/api/v1/bakeoffs?campaign=${id}`)).json()).bakeoffs[0].waiting === 0", arg=page.campaign)
    one = json(page, f"bakeoffs?campaign={page.campaign}")["bakeoffs"][0]
    check(one["failed"] == 0 and one["done"] == 2 * len(one["prompts"]), f"drawn: {one}")
    part(page, "report")
    part(page, "bakeoff")
    page.click(".bakeoff-list button:text-is('Vote')")
    page.wait_for_selector(".duel img")
    look(page, "campaign-duel")
    text = page.inner_text(".duel-place")
    check(not any(contestant["name"] in text for contestant in one["contestants"]), "a pair tells whose it is")
    pairs = len(one["prompts"])
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "x", "u"] + ["ArrowLeft"] * (pairs - 3)
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(250)
    page.wait_for_selector(".duel-place >> text=That was the last pair")
    page.click(".duel-place .empty >> text=Show the results")
    page.wait_for_selector(".ratings svg")
    votes = json(page, f"bakeoffs/{one['id']}/report")["groups"][0]["votes"]
    check(votes == pairs, f"{votes} votes of {pairs} are counted")
    look(page, "campaign-bakeoff")
    picture(page, "bakeoff")
    # It is among all of them, too, and leads to its campaign.
    page.goto(f"{URL}/#quality/bakeoffs")
    page.wait_for_selector(f".bakeoff-list a[href='#campaigns/{page.campaign}/bakeoff']:text-is('{json(page, f'campaigns/{page.campaign}')['name']}')")
    look(page, "bakeoff-of-campaign")


def deliver(page):
    """Every pick for two channels: what there would be, and the package itself."""
    part(page, "deliver")
    page.wait_for_selector(".channel-card")
    cards = page.locator(".channel-card")
    for index in range(cards.count()):
        card = cards.nth(index)
        if card.locator("input").is_checked() != (index == 0 or "300 × 250" in card.inner_text()):
            card.click()
    page.fill("#deliver-headline", "Spring is here")
    page.select_option("#deliver-picks", "approved")
    until(page, "document.querySelector('.deliver .big b').textContent === 'Deliver 6 files'")
    until(page, "document.querySelectorAll('.composed-grid img').length >= 2")
    look(page, "campaign-deliver")
    picture(page, "deliver")
    with page.expect_download() as waiting:
        page.click(".deliver .big")
    with open(waiting.value.path(), "rb") as file:
        names = zipfile.ZipFile(io.BytesIO(file.read())).namelist()
    check(len(names) == 8 and {"manifest.csv", "contact-sheet.pdf"} <= set(names), f"delivered: {names}")
    page.wait_for_selector("text=Delivered before")


def trial(page):
    """A test of the picks: planned, made, wrong results refused by row, the question answered, a winner."""
    part(page, "tests")
    page.wait_for_selector(".tests-make")
    look(page, "campaign-plan-test")
    page.click("text=Make a test of 3 pictures")
    page.wait_for_selector(".tests-answer")
    test = json(page, f"experiments?campaign={page.campaign}")["experiments"][0]
    keys = [creative["key"] for creative in test["creatives"]]

    def bring(rows):
        data = (COLUMNS + "".join(rows)).encode()
        page.set_input_files("#tests-file", files=[{"name": "results.csv", "mimeType": "text/csv", "buffer": data}])

    rows = [f"{key},2026-03-{day + 1:02},{PEOPLE},{clicks + day % 5}\n" for day in range(DAYS) for key, clicks in zip(keys, CLICKS)]
    bring(rows)
    page.wait_for_selector(".tests-told .notice")
    page.refusals = 400
    page.check("input[name=assignment][value=own]")
    page.wait_for_selector(".tests-told >> text=Take these results")
    bring([f"{keys[0]},2026-03-01,10,11\n", "nobody,2026-03-01,10,1\n"])
    page.wait_for_selector(".tests-told tbody tr >> nth=1")
    look(page, "campaign-wrong-results")
    bring(rows)
    page.click(".tests-told >> text=Take these results")
    page.wait_for_selector(".tests-answer[data-kind=winner]")
    page.refusals = 0
    said = page.inner_text(".tests-answer h2")
    check(test["creatives"][1]["name"] in said, f"the answer is {said}")
    until(page, "document.querySelectorAll('.tests-figure svg').length === 2")
    look(page, "campaign-winner")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "winner")


def next_round(page):
    """The winner's recipe seeds a campaign whose first draft is the winner again."""
    page.click(".tests-next .primary")
    until(page, "(id) => location.hash.startsWith('#campaigns/') && !location.hash.includes(id)", arg=page.campaign)
    page.wait_for_selector(".campaign-head h2")
    following = page.evaluate("location.hash.split('/')[1]")
    origin = json(page, f"campaigns/{following}/origin")
    check(origin["parent"] == page.campaign, f"the next round comes from {origin}")
    page.click(".run-stage[data-stage=drafts]")
    until(page, "async (id) => (await (await fetch(`/api/v1/campaigns/${id}`)).json()).progress.drafted > 0", arg=following)
    first = json(page, f"campaigns/{following}/candidates?limit=1")["candidates"][0]
    winner = json(page, f"experiments?campaign={page.campaign}")["experiments"][0]["creatives"][1]
    check(first["seed"] == json(page, f"assets/{winner['asset']}")["seed"], "the first draft of the next round is not the winner's")
    look(page, "campaign-next-round")


def other_words(page):
    """The same with the winner's words changed first: its values as chips, one more, and how many drafts that makes."""
    part(page, "tests")
    page.click(".tests-next summary")
    page.wait_for_selector(".tests-next [role=status]:not(.old):has-text('That makes 8 drafts, about')")
    winner = json(page, f"experiments?campaign={page.campaign}")["experiments"][0]["creatives"][1]
    row = json(page, f"candidates/{winner['candidate']}")["candidate"]["row"]
    values = next(one for one in json(page, f"campaigns/{page.campaign}/rows")["rows"] if one["key"] == row)["values"]
    for slot in ("colour", "thing"):
        chips = page.locator(f".slot:has(#slot-{slot}) .value-chip").all_inner_texts()
        check([chip.rstrip("×\n") for chip in chips] == [values[slot]], f"the winner's {slot} is {chips}")
    page.refusals = 400
    page.fill("#next-candidates", "0")
    page.wait_for_selector(".tests-next [data-error='brief.candidates']:not(:empty)")
    check(page.get_attribute("#next-candidates", "aria-invalid") == "true", "the wrong number is not marked")
    page.fill("#next-candidates", "2")
    page.press("#slot-colour", "Backspace")
    page.wait_for_selector(".tests-next [data-error='brief.slots.colour']:not(:empty)")
    # What only the end of it finds out is said at its field, too.
    page.fill("#slot-colour", f"{values['colour']}, green")
    page.press("#slot-colour", "Enter")
    page.wait_for_selector(".tests-next [role=status]:not(.old):has-text('4 drafts, 2 of each of 2 rows')")
    page.fill("#next-name", page.evaluate("document.querySelector('.campaign-title h2').textContent"))
    page.click(".tests-next .primary")
    page.wait_for_selector(".tests-next [data-error='brief.name']:not(:empty)")
    page.fill("#next-name", "")
    page.fill("#next-style", "a watercolour of {prompt}")
    page.wait_for_selector(".tests-next [role=status]:not(.old):has-text('its words are others')")
    page.refusals = 0
    look(page, "campaign-other-words")
    page.focus(".skip")
    walk(page, "other words")
    for name, options in page.visitors.items():
        if name == "light":
            continue
        other = page.context.browser.new_context(**options).new_page()
        other.is_phone, other.refusals = options.get("is_mobile", False), 0
        other.goto(f"{URL}/#campaigns/{page.campaign}/tests")
        other.click(".tests-next summary")
        other.wait_for_selector(".tests-next [role=status]:has-text('8 drafts')")
        other.evaluate("document.querySelector('.tests-next').scrollIntoView()")
        look(other, f"{name}-campaign-other-words")
        other.context.close()
    page.click(".tests-next .primary")
    until(page, "(id) => location.hash.startsWith('#campaigns/') && !location.hash.includes(id)", arg=page.campaign)
    page.wait_for_selector(".campaign-head h2")
    made = json(page, f"campaigns/{page.evaluate('location.hash.split(`/`)[1]')}")
    brief = made["brief"]
    check(brief["slots"] == {"colour": [values["colour"], "green"], "thing": [values["thing"]]}, f"the slots are {brief['slots']}")
    check((made["rows"], brief["candidates"], brief["style"]) == (2, 2, "a watercolour of {prompt}"), f"the other words make {made}")


def report(page):
    part(page, "report")
    page.wait_for_selector(".report-grid")
    look(page, "campaign-report")
    picture(page, "report")


def around(page):
    """Brand and costs, and every part in the dark and on a phone."""
    for name, options in page.visitors.items():
        if name == "light":
            other = page
        else:
            other = page.context.browser.new_context(**options).new_page()
            other.is_phone, other.refusals = options.get("is_mobile", False), 0
            other.goto(URL)
            other.wait_for_selector("body[data-ready=yes]")
        view(other, "costs")
        other.wait_for_selector(".costs-sentence")
        look(other, f"{name}-costs")
        view(other, "brand")
        other.wait_for_selector("#brand .kit-row, #brand .empty, #brand .brand-figure")
        other.wait_for_timeout(600)
        look(other, f"{name}-brand")
        if name == "light":
            picture(page, "brand")
            view(page, "costs")
            page.wait_for_selector(".costs-sentence")
            picture(page, "costs")
            continue
        for step, there in [("bakeoff", ".bakeoff-list"), ("deliver", ".channel-card"), ("tests", ".tests-answer"), ("report", ".report-grid")]:
            other.goto(f"{URL}/#campaigns/{page.campaign}/{step}")
            other.wait_for_selector(there)
            look(other, f"{name}-campaign-{step}")
        other.context.close()
