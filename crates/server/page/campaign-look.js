// One draft of a campaign, large, with its final beside it.

import { at, h } from "./dom.js";

const dialog = at("candidate");
let now = null;
let walk = null;

export const source = (asset, width) => `/api/v1/assets/${asset}/file${width ? `?width=${width}&format=webp` : ""}`;

/** Shows a draft. `step(by)` gives the one before or after, `toggle(candidate)` picks it or takes that back. */
export function openCandidate(candidate, { step, toggle }) {
  walk = { step, toggle };
  show(candidate);
  if (!dialog.open) dialog.showModal();
}

/** Shows it as it is now, if it is the one that is open. */
export function repaint(candidate) {
  if (dialog.open && now?.id === candidate.id) show(candidate);
}

const side = (asset, title, name) => h("figure", {},
  asset ? h("img", { src: source(asset), alt: `${title} of ${name}` }) : h("div", { className: "not-there" }, title === "Final" ? "Not drawn yet" : "Removed"),
  h("figcaption", {}, title, asset ? h("a", { href: `#library/${asset}`, on: { click: () => dialog.close() } }, "In the library") : null));

function show(candidate) {
  now = candidate;
  const name = `${candidate.row}, draft ${candidate.position + 1}`;
  const move = (by, sign, label, place) => h("button", { type: "button", className: `step ${place}`, disabled: !walk.step(candidate, by), aria: { label }, on: { click: () => show(walk.step(now, by)) } }, sign);
  const facts = [["Prompt", candidate.prompt], ["Seed", String(candidate.seed)], ["Review", candidate.picked ? candidate.state.replace("_", " ") : "not picked"], ["Comments", String(candidate.comments)]];
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "candidate-title" }, name),
      h("button", { type: "button", className: candidate.picked ? "primary" : "", aria: { pressed: String(candidate.picked), keyshortcuts: "p" }, on: { click: () => walk.toggle(now) } }, candidate.picked ? "✓ Picked" : "Pick"),
      h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => dialog.close() } }, "×")),
    h("div", { className: "two" }, side(candidate.asset, "Draft", name), side(candidate.final, "Final", name), move(-1, "‹", "Previous draft", "back"), move(1, "›", "Next draft", "next")),
    h("dl", { className: "facts" }, ...facts.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])));
  // What had the focus was replaced; keys are heard where it is.
  if (dialog.open && !dialog.contains(document.activeElement)) dialog.focus();
}

dialog.tabIndex = -1;

dialog.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const other = by && walk.step(now, by);
  if (other) show(other);
  if (event.key === "p" || (event.key === " " && event.target === dialog)) walk.toggle(now);
  if (by || event.key === "p") event.preventDefault();
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => document.dispatchEvent(new CustomEvent("candidate-closed", { detail: now })));
