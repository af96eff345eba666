// What was tried on people, and what it says. A part of a campaign: its tests, one of them open, or a new one.

import { get } from "./api.js";
import { empty, h, toast } from "./dom.js";
import { plannerOf } from "./tests-planner.js";
import { makerOf } from "./tests-make.js";
import { testOf } from "./tests-answer.js";

export const title = "Tests";

/** Fills the place with this part of the campaign. */
export async function show(campaign, place, chosen = null) {
  place.replaceChildren(h("p", { className: "hint", role: "status" }, "Loading the tests…"));
  try {
    const [{ experiments }, { candidates }, origin] = await Promise.all([
      get(`experiments?campaign=${campaign.id}&limit=200`), get(`campaigns/${campaign.id}/candidates?picked=true&limit=200`), get(`campaigns/${campaign.id}/origin`),
    ]);
    const open = chosen === "new" ? null : experiments.find((one) => one.id === chosen) ?? experiments[0] ?? null;
    const again = (id) => show(campaign, place, id);
    const stage = h("div", { className: "tests-stage" });
    place.replaceChildren(from(origin), list(experiments, open, again), stage);
    if (open) await testOf(open, stage, again); else begin(campaign, candidates, stage, again);
    // What somebody asked for is where the keyboard goes on.
    if (chosen) stage.querySelector("h2")?.focus();
  } catch (error) {
    place.replaceChildren(empty("The tests cannot be shown", error.message,
      h("button", { type: "button", on: { click: () => show(campaign, place, chosen) } }, "Try again")));
    toast(error.message, { bad: true });
  }
}

/** Where the campaign goes on from. */
function from({ experiment_name: test, creative, parent, parent_name: name }) {
  if (!test) return h("p", { hidden: true });
  return h("p", { className: "notice" }, `This campaign goes on from ${creative}, of the test “${test}”`,
    parent ? [" in ", h("a", { href: `#campaigns/${parent}/tests` }, name)] : null, ".");
}

function list(experiments, open, again) {
  if (!experiments.length) return h("p", { hidden: true });
  const one = (id, text) => h("button", { type: "button", className: "chip-button", aria: { pressed: String((open?.id ?? "new") === id) }, on: { click: () => again(id) } }, text);
  return h("div", { className: "tests-list", role: "group", aria: { label: "Tests of this campaign" } }, ...experiments.map(({ id, name }) => one(id, name)), one("new", "New test"));
}

/** The planner first: it says whether a test can say anything. */
function begin(campaign, candidates, stage, again) {
  const planner = plannerOf(Math.min(Math.max(candidates.length, 2), 64));
  stage.replaceChildren(planner.element, makerOf(campaign, candidates, planner, again));
}
