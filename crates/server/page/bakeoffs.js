// Bake-offs, of a campaign or all there are: who draws these prompts best, judged in duels with the names hidden.

import { get, post, remove } from "./api.js";
import { ask, empty, h, toast } from "./dom.js";
import { setup } from "./bakeoff-setup.js";
import { vote } from "./bakeoff-vote.js";
import { results } from "./bakeoff-results.js";
import { count } from "./words.js";

export const title = "Bake-off";

const PAGE = 50;
const LOOK = 1500;
let shown = 0;

/** Fills the place with the bake-offs of a campaign, or with all of them where it is null. */
export async function show(campaign, place) {
  shown += 1;
  const own = shown;
  const again = () => show(campaign, place);
  place.replaceChildren(h("p", { className: "hint", role: "status" }, "Looking …"));
  try {
    const found = await page(campaign, 0);
    if (own !== shown) return;
    if (found.total) list(found, { campaign, place, again }); else nothing({ campaign, place, again });
  } catch (error) {
    if (own === shown) place.replaceChildren(empty("No bake-offs", error.message, h("button", { type: "button", on: { click: again } }, "Try again")));
  }
}

const page = (campaign, offset) => get(`bakeoffs?${new URLSearchParams({ limit: PAGE, offset, ...(campaign ? { campaign: campaign.id } : {}) })}`);
const beginner = ({ campaign, place, again }) => h("button", { type: "button", className: "primary", on: { click: () => setup(campaign, place, again) } }, "Set up a bake-off");

function nothing(where) {
  where.place.replaceChildren(where.campaign
    ? empty("Which model draws this campaign best?", "Some of its prompts go through several models, presets or pictures from outside. You vote on pairs without knowing whose they are; then you see who wins, how surely, and at what price.", beginner(where))
    : empty("Which model draws your pictures best?", "Prompts like those you will need go through several models, presets or pictures from outside. You vote on pairs without knowing whose they are; then you see who wins, how surely, and at what price.", beginner(where)));
}

function list({ bakeoffs, total }, where) {
  const cards = h("div", {}, ...bakeoffs.map((one) => card(one, where)));
  const more = h("button", { type: "button", hidden: bakeoffs.length >= total, on: { click: further } }, "Show more");
  async function further() {
    try {
      const found = await page(where.campaign, cards.childElementCount);
      cards.append(...found.bakeoffs.map((one) => card(one, where)));
      more.hidden = !found.bakeoffs.length || cards.childElementCount >= found.total;
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }
  where.place.replaceChildren(...[
    where.campaign ? null : h("h2", { className: "first" }, "Which model draws your pictures best?"),
    where.campaign ? null : h("p", { className: "lead" }, "The same prompts through several models, judged in pairs without names."),
    h("div", { className: "bakeoff-list" }, h("div", { className: "buttons" }, beginner(where)), cards, h("p", { className: "center" }, more)),
  ].filter(Boolean));
}

function card(one, where) {
  const total = one.contestants.length * one.prompts.length;
  const names = one.contestants.map((contestant) => contestant.name).join(" · ");
  const state = one.waiting ? `${one.done} of ${count(total, "picture")} are there` : count(one.done, "picture");
  const { place, again } = where;
  const buttons = [
    h("button", { type: "button", className: "primary", disabled: one.done < 2, on: { click: () => vote(one, place, again) } }, "Vote"),
    h("button", { type: "button", disabled: !one.votes, on: { click: () => results(one, place, again) } }, "Results"),
    one.failed ? h("button", { type: "button", on: { click: () => redraw(one, again) } }, "Draw again what failed") : null,
    h("button", { type: "button", className: "danger", on: { click: () => forget(one, again) } }, "Remove"),
  ];
  const element = h("div", { className: "card" },
    h("div", {}, h("h3", {}, one.name), h("p", { className: "hint" }, `${names}. ${count(one.prompts.length, "prompt")}, ${state}, ${count(one.votes, "vote")}.`),
      one.campaign && !where.campaign ? h("p", { className: "hint" }, "Of the campaign ", campaignLink(one.campaign)) : null,
      one.failed ? h("p", { className: "error" }, `${one.failed} failed: ${one.error}`) : null),
    h("div", { className: "buttons" }, ...buttons.filter(Boolean)),
    one.waiting ? h("progress", { value: one.done, max: total, aria: { label: `Pictures of ${one.name}` } }) : null);
  if (one.waiting) setTimeout(() => follow(one, element, where), LOOK);
  return element;
}

/** Keeps a card up to date until all of its pictures are there. */
async function follow(one, element, where) {
  if (!element.isConnected) return;
  // Somebody is about to press a button, or looks at something else.
  const waits = element.contains(document.activeElement) || !element.checkVisibility();
  const now = waits ? null : await get(`bakeoffs/${one.id}`).catch((error) => { if (error.status === 404) element.remove(); return null; });
  if (now && !element.contains(document.activeElement)) element.replaceWith(card(now, where));
  else setTimeout(() => follow(one, element, where), LOOK);
}

/** Names of campaigns, asked for once. */
const called = new Map();

function campaignLink(id) {
  const link = h("a", { href: `#campaigns/${id}/bakeoff` }, "it belongs to");
  if (!called.has(id)) called.set(id, get(`campaigns/${id}`).then(({ name }) => name));
  called.get(id).then((name) => { link.textContent = name; }, () => called.delete(id));
  return link;
}

async function redraw(one, again) {
  await post(`bakeoffs/${one.id}/run`, {}).catch((error) => toast(error.message, { bad: true }));
  again();
}

async function forget(one, again) {
  if (!(await ask(`Remove ${one.name}?`, "Its votes are lost. Its pictures stay in the library.", "Remove"))) return;
  await remove(`bakeoffs/${one.id}`).catch((error) => toast(error.message, { bad: true }));
  again();
}
