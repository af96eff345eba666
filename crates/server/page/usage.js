// What was used, by project and day, in seconds and money; the user's price.

import { get } from "./api.js";
import { at, empty, h, showError, toast } from "./dom.js";
import { bars } from "./chart.js";
import { saveSettings, watch } from "./state.js";
import { money, seconds } from "./words.js";

const form = at("price-form");

export function setUp() {
  watch("settings", (settings) => {
    at("price").value = settings.price_per_hour;
    at("currency").value = settings.currency;
    at("watts").value = settings.watts ?? "";
    at("kwh").value = settings.price_per_kwh ?? "";
  });
  form.addEventListener("submit", (event) => (event.preventDefault(), save()));
  at("usage-days").addEventListener("change", show);
}

async function save() {
  const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
  try {
    await saveSettings({ price_per_hour: number("price") ?? 0, currency: at("currency").value.trim(), watts: number("watts"), price_per_kwh: number("kwh") });
    showError(form, null);
    toast("Prices are kept");
    show();
  } catch (error) {
    showError(form, error);
  }
}

/** Shows the table and the chart. */
export async function show() {
  try {
    paint(await get(`usage?days=${at("usage-days").value}`));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function paint(usage) {
  if (!usage.rows.length) {
    const nothing = empty("Nothing was drawn in this time", "Draw something, and see here what it took.");
    nothing.classList.add("small");
    return at("usage").replaceChildren(nothing);
  }
  const number = (value, title) => h("div", {}, h("b", {}, value), title);
  at("usage").replaceChildren(
    h("div", { className: "big-numbers" }, number(String(usage.pictures), "pictures"), number(seconds(usage.seconds), "of drawing"),
      number(money(usage.cost, usage.currency), "in all"), number(money(usage.cost / Math.max(usage.pictures, 1), usage.currency), "a picture"),
      number(money(usage.price_per_hour, usage.currency), "an hour")),
    chart(usage), table(usage));
}

function chart(usage) {
  const days = span(Math.min(Number(at("usage-days").value), 365));
  for (const row of usage.rows) days.set(row.day, (days.get(row.day) ?? 0) + row.cost);
  return h("div", { className: "card" }, h("h3", {}, "Cost by day"), bars("Cost by day", [...days], (value) => money(value, usage.currency)));
}

/** Every day of the span, the oldest first. */
function span(length) {
  const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  return new Map(Array.from({ length }, (_, i) => [day(length - 1 - i), 0]));
}

function table(usage) {
  const cell = (value) => h("td", { className: "number" }, value);
  const head = (text, className = "") => h("th", { scope: "col", className }, text);
  const row = (one) => h("tr", {}, h("td", {}, one.day), h("td", {}, one.project_name), cell(String(one.jobs)), cell(String(one.pictures)), cell(seconds(one.seconds)), cell(money(one.cost, usage.currency)));
  return h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Usage by project and day" } }, h("table", {},
    h("thead", {}, h("tr", {}, head("Day"), head("Project"), head("Jobs", "number"), head("Pictures", "number"), head("Time", "number"), head("Cost", "number"))),
    h("tbody", {}, ...usage.rows.map(row))));
}
