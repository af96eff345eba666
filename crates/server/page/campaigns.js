// The campaigns, and one of them: its head and its parts. `#campaigns/ID/PART` is the address of a part.

import { get } from "./api.js";
import { at, empty, h, toast } from "./dom.js";
import * as grid from "./campaign-grid.js";
import * as review from "./campaign-review.js";
import * as bakeoff from "./campaign-bakeoff.js";
import * as deliver from "./campaign-deliver.js";
import * as tests from "./campaign-tests.js";
import * as report from "./campaign-report.js";

/** Each has `title`, and `show(campaign, place)`, which fills the place. */
const parts = { grid, review, bakeoff, deliver, tests, report };

export function setUp() {}

/** Shows the list, or a part of a campaign. */
export async function enter(id, part) {
  try {
    if (id) one(await get(`campaigns/${id}`), parts[part] ? part : "grid"); else list(await get("campaigns"));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function list({ campaigns }) {
  if (!campaigns.length) return at("campaigns").replaceChildren(empty("No campaign yet", "A brief becomes a grid of drafts, picks, finals and files for every channel."));
  at("campaigns").replaceChildren(h("ul", { className: "plain" }, ...campaigns.map((one) => h("li", {}, h("a", { href: `#campaigns/${one.id}` }, one.name)))));
}

function one(campaign, part) {
  const link = (name) => h("a", { href: `#campaigns/${campaign.id}/${name}`, aria: name === part ? { current: "page" } : {} }, parts[name].title);
  const place = h("div", { className: "campaign-part" });
  at("campaigns").replaceChildren(
    h("header", { className: "campaign-head" }, h("h2", {}, campaign.name), h("nav", { className: "tabs", aria: { label: "Parts of the campaign" } }, ...Object.keys(parts).map(link))),
    place);
  parts[part].show(campaign, place);
}
