// The campaigns, and one of them: its head and its parts. `#campaigns/ID/PART` is the address of a part, `#campaigns/new` of a
// brief that is not kept yet.

import { get } from "./api.js";
import { at, empty, h, toast } from "./dom.js";
import { headOf, meter, stateTag, untilDeadline } from "./campaign-head.js";
import { briefForm } from "./campaign-new.js";
import { known } from "./state.js";
import { count, money, when } from "./words.js";
import * as grid from "./campaign-grid.js";
import * as review from "./campaign-review.js";
import * as bakeoff from "./bakeoffs.js";
import * as deliver from "./campaign-deliver.js";
import * as tests from "./campaign-tests.js";
import * as report from "./campaign-report.js";

/** Each has `title`, and `show(campaign, place)`, which fills the place. */
const parts = { grid, review, bakeoff, deliver, tests, report };
const PAGE = 30;
/** The campaign that is shown, with its head. */
let shown = null;
let asked = 0;

export function setUp() {}

/** Shows the list, a new brief, or a part of a campaign. */
export async function enter(id, part) {
  const own = ++asked;
  try {
    if (id === "new") return brief();
    if (!id) return list(await get(`campaigns?limit=${PAGE}`), own);
    const campaign = await get(`campaigns/${id}`);
    if (own === asked) one(campaign, parts[part] ? part : "grid");
  } catch (error) {
    if (own !== asked) return;
    shown = null;
    at("campaigns").replaceChildren(empty("This campaign is not here", error.message, h("a", { className: "button", href: "#campaigns" }, "All campaigns")));
  }
}

function list({ campaigns, total }, own) {
  if (own !== asked) return;
  shown = null;
  if (!campaigns.length) {
    return at("campaigns").replaceChildren(empty("One brief, every picture",
      "A brief and a few rows become a grid of drafts; the picked ones are finished, reviewed and made to fit every channel. What it takes is said before anything is drawn.",
      h("a", { className: "button primary", href: "#campaigns/new" }, "New campaign"), " ", compare()));
  }
  const cards = h("div", { className: "campaign-cards" }, ...campaigns.map(card));
  const more = h("button", { type: "button", hidden: campaigns.length >= total, on: { click: () => further(cards, more) } }, "Show more");
  at("campaigns").replaceChildren(
    h("header", { className: "campaign-list-head" }, h("h2", {}, count(total, "campaign")), h("div", { className: "buttons" }, compare(), h("a", { className: "button primary", href: "#campaigns/new" }, "New campaign"))),
    cards, h("p", { className: "center" }, more));
}

/** Bake-offs need no campaign: which model to name in a brief is asked before it is written. */
const compare = () => h("a", { className: "button", href: "#quality/bakeoffs" }, "Which model draws best?");

async function further(cards, more) {
  try {
    const { campaigns, total } = await get(`campaigns?limit=${PAGE}&offset=${cards.childElementCount}`);
    cards.append(...campaigns.map(card));
    more.hidden = cards.childElementCount >= total;
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function card(campaign) {
  const { progress, brief } = campaign;
  const cover = progress.cover
    ? h("img", { src: `/api/v1/assets/${progress.cover}/file?width=256&format=webp`, alt: "", loading: "lazy" })
    : h("span", { className: "no-cover", aria: { hidden: "true" } }, campaign.name.slice(0, 1).toUpperCase());
  return h("a", { className: "card campaign-card", href: `#campaigns/${campaign.id}` },
    h("div", { className: "cover" }, cover),
    h("div", { className: "campaign-card-words" },
      h("h3", {}, campaign.name), h("p", { className: "together" }, stateTag(campaign), untilDeadline(brief.deadline)),
      h("p", { className: "hint" }, steps(campaign)),
      h("p", { className: "hint" }, brief.budget ? `${money(Number(campaign.spent), brief.budget.currency)} of ${money(Number(brief.budget.amount), brief.budget.currency)}` : `${money(Number(campaign.spent), known.settings.currency)} spent`),
      brief.budget ? meter(Number(campaign.spent), Number(brief.budget.amount), "Spent of the budget") : meter(progress.drafted, campaign.rows, "Rows with drafts"),
      h("p", { className: "hint small" }, when(campaign.created_ms))));
}

/** How far it is, in a line. */
function steps({ rows, progress }) {
  const { drafted, picked, finals, approved } = progress;
  const told = [drafted < rows || !rows ? `${drafted} of ${count(rows, "row")} drafted` : `${count(rows, "row")} drafted`];
  if (picked) told.push(`${picked} picked`);
  if (finals) told.push(count(finals, "final"));
  if (approved) told.push(`${approved} approved`);
  return told.join(" · ");
}

function brief() {
  shown = null;
  at("campaigns").replaceChildren(briefForm((campaign) => { location.hash = `#campaigns/${campaign.id}/grid`; }));
}

function one(campaign, part) {
  // The head stays while one goes from part to part.
  if (shown?.id !== campaign.id || !shown.head.element.isConnected) {
    const nav = h("nav", { className: "parts", aria: { label: "Parts of the campaign" } });
    const head = headOf(campaign, () => { location.hash = "#campaigns"; });
    const place = h("div", { className: "campaign-part" });
    shown = { id: campaign.id, head, nav, place };
    at("campaigns").replaceChildren(head.element, nav, place);
  } else {
    shown.head.show(campaign);
  }
  const link = (name) => h("a", { href: `#campaigns/${campaign.id}/${name}`, aria: name === part ? { current: "page" } : {} }, parts[name].title);
  shown.nav.replaceChildren(...Object.keys(parts).map(link));
  const place = h("div", { className: "campaign-part", data: { part } });
  shown.place.replaceWith(place);
  shown.place = place;
  parts[part].show(campaign, place);
}
