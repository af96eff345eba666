// Two pictures side by side, with what differs between their recipes.

import { picture } from "./api.js";
import { at, h } from "./dom.js";
import { known } from "./state.js";
import { money, seconds } from "./words.js";

const dialog = at("compare");

/** Shows two pictures beside each other. */
export function compare([left, right]) {
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "compare-title" }, "Side by side"),
      h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => dialog.close() } }, "×")),
    h("div", { className: "pair" }, side(left), side(right)),
    table(left, right));
  if (!dialog.open) dialog.showModal();
}

const side = (asset) => h("figure", {},
  h("img", { src: picture(asset), alt: asset.prompt, width: asset.width, height: asset.height }),
  h("figcaption", {}, asset.prompt || "without a prompt"));

const facts = (asset) => ({
  ...(asset.recipe ?? {}), prompt: asset.prompt, seed: asset.seed, size: `${asset.width} × ${asset.height}`,
  time: seconds(asset.seconds), cost: money(asset.cost, known.settings.currency), rating: "★".repeat(asset.rating),
});

function table(left, right) {
  const [a, b] = [facts(left), facts(right)];
  const text = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => text(a[name]) !== text(b[name]));
  if (!names.length) return h("p", { className: "hint" }, "Their recipes are the same.");
  const row = (name) => h("tr", {}, h("td", {}, text(a[name])), h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", {}, text(b[name])));
  return h("table", { className: "differences" }, h("caption", {}, "What differs"), h("tbody", {}, ...names.map(row)));
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
