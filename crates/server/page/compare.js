// Pictures side by side, with what differs between their recipes.

import { picture } from "./api.js";
import { at, h } from "./dom.js";
import { known } from "./state.js";
import { money, seconds } from "./words.js";

const dialog = at("compare");

/** Most pictures beside each other. */
export const MOST = 6;

/** Shows two or more pictures beside each other. */
export function compare(assets) {
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "compare-title" }, "Side by side"),
      h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => dialog.close() } }, "×")),
    h("div", { className: "beside", css: { "--columns": String(assets.length > 4 ? 3 : assets.length) } }, ...assets.map(side)),
    table(assets.map(facts)));
  if (!dialog.open) dialog.showModal();
}

const side = (asset, i) => h("figure", {},
  h("img", { src: picture(asset), alt: asset.prompt, width: asset.width, height: asset.height }),
  h("figcaption", {}, `${i + 1}. ${asset.prompt || "without a prompt"}`));

const facts = (asset) => ({
  ...(asset.recipe ?? {}), prompt: asset.prompt, seed: asset.seed, size: `${asset.width} × ${asset.height}`,
  time: seconds(asset.seconds), cost: money(asset.cost, known.settings.currency), rating: "★".repeat(asset.rating),
});

function table(all) {
  const text = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const names = [...new Set(all.flatMap(Object.keys))].filter((name) => new Set(all.map((one) => text(one[name]))).size > 1);
  if (!names.length) return h("p", { className: "hint" }, "Their recipes are the same.");
  const row = (name) => h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), ...all.map((one) => h("td", {}, text(one[name]))));
  const head = h("tr", {}, h("td", {}), ...all.map((_, i) => h("th", { scope: "col" }, String(i + 1))));
  return h("div", { className: "differences", tabIndex: 0, role: "region", aria: { label: "What differs" } },
    h("table", {}, h("caption", {}, "What differs"), h("thead", {}, head), h("tbody", {}, ...names.map(row))));
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
