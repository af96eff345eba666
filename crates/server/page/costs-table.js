// The offers: as a list that lights their curves, and as a table with all numbers.

import { h } from "./dom.js";
import { KINDS, aged, energy, paid, span } from "./costs-words.js";
import { count } from "./words.js";

/** A button an offer. `onLight` is called on hover and focus, `onPin` on a click and gives what is pinned then. */
export function offers({ offers: lines, cheapest }, onLight, onPin, onLeave) {
  const buttons = new Map(lines.map((line) => [line.id, button(line)]));
  function button(line) {
    const words = [h("i", { className: `k-${line.kind}${line.stale ? " stale" : ""}`, aria: { hidden: "true" } }), h("span", {}, line.id), h("b", {}, paid(line.per_asset ?? line.total))];
    const note = [line.id === cheapest ? "the cheapest here" : "", KINDS[line.kind], aged(line)].filter(Boolean).join("; ");
    return h("button", { type: "button", className: line.stale ? "costs-offer stale" : "costs-offer", title: note, aria: { pressed: "false" }, on: {
      pointerenter: () => onLight(line.id), focus: () => onLight(line.id), pointerleave: onLeave, blur: onLeave,
      click: () => { const pinned = onPin(line.id); for (const [id, one] of buttons) one.setAttribute("aria-pressed", String(id === pinned)); },
    } }, ...words);
  }
  const element = h("div", { className: "costs-offers", role: "group", aria: { label: "Offers, the cheapest first: cost of an approved asset" } }, ...buttons.values());
  return { element, light: (id) => { for (const [own, one] of buttons) one.classList.toggle("on", own === id); } };
}

/** All numbers. */
export function table({ offers: lines, campaign }) {
  const head = (text, className = "") => h("th", { scope: "col", className }, text);
  const cell = (text, title = "") => h("td", { className: "number", title }, text);
  const row = (line) => h("tr", { className: line.stale ? "stale" : "" },
    h("th", { scope: "row" }, line.id, h("small", {}, `${line.vendor}, ${KINDS[line.kind]}`)),
    cell(paid(line.per_asset)), cell(paid(line.total)), cell(paid(line.cost)), cell(paid(line.per_picture)),
    cell(span(line.seconds), line.seconds_p95 === null ? "" : `${span(line.seconds_p95)} if all were as slow as the slowest 5 %`), cell(energy(line.kwh)),
    h("td", {}, line.checked_on, h("small", {}, line.stale ? `old; ${line.confidence} confidence` : `${line.confidence} confidence`)),
    h("td", { className: "costs-from" }, /^https?:/.test(line.source) ? h("a", { href: line.source, target: "_blank", rel: "noopener noreferrer" }, new URL(line.source).hostname) : line.source));
  return h("section", { aria: { label: "All numbers" } }, h("h2", {}, "All numbers"),
    h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Costs by offer" } }, h("table", { className: "costs-table" },
      h("caption", {}, `In ${campaign.currency}, the cheapest first`),
      h("thead", {}, h("tr", {}, head("Offer"), head("An asset", "number"), head("In all", "number"), head("Drawing", "number"), head("A picture", "number"), head("Time", "number"), head("Energy", "number"), head("Looked up"), head("Where"))),
      h("tbody", {}, ...lines.map(row)))));
}

/** Offers that cannot be chosen, and why. */
export function leftOut(excluded) {
  if (!excluded.length) return null;
  const one = ({ id, reasons, cost }) => h("li", {}, h("b", {}, id), ` ${reasons.map(({ message }) => message).join("; ")}${cost ? ` (${paid(cost)})` : ""}`);
  return h("details", { className: "costs-left" }, h("summary", {}, `${count(excluded.length, "offer")} left out, and why`), h("ul", {}, ...excluded.map(one)));
}
