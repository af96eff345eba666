// Bake-offs of a campaign: who draws its prompts best, judged in duels with the names hidden.

import { get, post, remove } from "./api.js";
import { ask, empty, h, toast } from "./dom.js";
import { setup } from "./bakeoff-setup.js";
import { vote } from "./bakeoff-vote.js";
import { results } from "./bakeoff-results.js";
import { count } from "./words.js";

export const title = "Bake-off";

const LOOK = 1500;
let shown = 0;

/** Fills the place with this part of the campaign. */
export async function show(campaign, place) {
  shown += 1;
  const own = shown;
  place.replaceChildren(h("p", { className: "hint" }, "Looking …"));
  try {
    const { bakeoffs } = await get(`bakeoffs?campaign=${campaign.id}`);
    if (own !== shown) return;
    if (bakeoffs.length) list(bakeoffs, campaign, place); else nothing(campaign, place);
  } catch (error) {
    if (own === shown) place.replaceChildren(empty("No bake-offs", error.message, h("button", { type: "button", on: { click: () => show(campaign, place) } }, "Try again")));
  }
}

const back = (campaign, place) => () => show(campaign, place);

function nothing(campaign, place) {
  const button = h("button", { type: "button", className: "primary", on: { click: () => setup(campaign, place, back(campaign, place)) } }, "Set up a bake-off");
  place.replaceChildren(empty("Which model draws this campaign best?", "Some of its prompts go through several models, presets or pictures from outside. You vote on pairs without knowing whose they are; then you see who wins, how surely, and at what price.", button));
}

function list(bakeoffs, campaign, place) {
  const whole = h("div", { className: "bakeoff-list" },
    h("div", { className: "buttons" }, h("button", { type: "button", className: "primary", on: { click: () => setup(campaign, place, back(campaign, place)) } }, "Set up a bake-off")),
    ...bakeoffs.map((one) => card(one, campaign, place)));
  place.replaceChildren(whole);
  if (!bakeoffs.some((one) => one.waiting)) return;
  const own = shown;
  setTimeout(() => { if (own === shown && whole.isConnected) refresh(campaign, place, whole); }, LOOK);
}

async function refresh(campaign, place, whole) {
  const { bakeoffs } = await get(`bakeoffs?campaign=${campaign.id}`).catch(() => ({ bakeoffs: [] }));
  // Somebody may have gone on, or is about to press a button.
  if (whole.isConnected && bakeoffs.length && !whole.contains(document.activeElement)) list(bakeoffs, campaign, place);
  else if (whole.isConnected) setTimeout(() => refresh(campaign, place, whole), LOOK);
}

function card(one, campaign, place) {
  const total = one.contestants.length * one.prompts.length;
  const names = one.contestants.map((contestant) => contestant.name).join(", ");
  const state = one.waiting ? `${one.done} of ${count(total, "picture")} are there` : count(one.done, "picture");
  const leave = back(campaign, place);
  const buttons = [
    h("button", { type: "button", className: "primary", disabled: one.done < 2, on: { click: () => vote(one, place, leave) } }, "Vote"),
    h("button", { type: "button", disabled: !one.votes, on: { click: () => results(one, place, leave) } }, "Results"),
    one.failed ? h("button", { type: "button", on: { click: () => again(one, leave) } }, "Draw again what failed") : null,
    h("button", { type: "button", className: "danger", on: { click: () => forget(one, leave) } }, "Remove"),
  ];
  return h("div", { className: "card" },
    h("div", {}, h("h3", {}, one.name), h("p", { className: "hint" }, `${names}. ${count(one.prompts.length, "prompt")}, ${state}, ${count(one.votes, "vote")}.`), one.failed ? h("p", { className: "error" }, `${one.failed} failed: ${one.error}`) : null),
    h("div", { className: "buttons" }, ...buttons.filter(Boolean)),
    one.waiting ? h("progress", { value: one.done, max: total, aria: { label: `Pictures of ${one.name}` } }) : null);
}

async function again(one, leave) {
  await post(`bakeoffs/${one.id}/run`, {}).catch((error) => toast(error.message, { bad: true }));
  leave();
}

async function forget(one, leave) {
  if (!(await ask(`Remove ${one.name}?`, "Its votes are lost. Its pictures stay in the library.", "Remove"))) return;
  await remove(`bakeoffs/${one.id}`).catch((error) => toast(error.message, { bad: true }));
  leave();
}

