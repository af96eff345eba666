// The sliders of the planner, and the question they ask.

import { h } from "./dom.js";
import { modelItems, model } from "./state.js";
import { presetName } from "./words.js";

/** Name, words, least, most, step, usual value, note, and whether the slider moves in tens. */
const SLIDERS = [
  ["assets", "Approved assets", 1, 5000, 1, 50, "", true],
  ["candidates", "Candidates for each", 1, 32, 1, 8, ""],
  ["retries", "Drawn again, in percent", 0, 200, 5, 30, ""],
  ["ratios", "Shapes drawn anew", 1, 8, 1, 1, "Crops to other channels are free."],
  ["minutes", "Minutes of review for each", 0, 60, 1, 0, ""],
];
/** Name in the request, words, usual value comes from the server. */
const FIGURES = [
  ["machine_price", "Price of the machine"], ["months", "Months it is used"], ["residual", "Share of its price it keeps"], ["load_kw", "kW under load"], ["idle_kw", "kW idle"],
  ["energy_price", "Price of a kWh"], ["admin_hours", "Hours of care a month"], ["wage", "What such an hour costs"], ["rack", "Room and network a month"],
  ["hours_per_month", "Hours a month it may draw"], ["utilisation", "Share of them it does"], ["pue", "Building's energy over its own"],
];
const MORE = [
  ["wage", "Reviewer, an hour", "60"], ["budget", "Budget, at most", ""], ["deadline", "Hours until all are there", ""], ["months", "Months that plans are paid", "1"],
  ["seats", "People who need a seat", "1"], ["devices", "Machines at a time", "1"],
];
const PATHS = {
  assets: "campaign.assets", candidates: "campaign.candidates", retries: "campaign.retries", ratios: "campaign.ratios", minutes: "campaign.extras.reviewer_minutes",
  "more-wage": "campaign.extras.reviewer_wage", "more-budget": "campaign.budget", "more-deadline": "campaign.deadline_hours", "more-months": "campaign.months", "more-seats": "campaign.seats", "more-devices": "campaign.devices",
};
const SIZES = ["1024x1024", "1024x1536", "1536x1024", "512x512"];

const clean = (text) => String(text).trim().replace(",", ".");

/** The form: `element`, `now` (where narrow screens keep the answer in sight), `values()` to be kept, `request()` to be sent, `log()`, and `predict(on)`. */
export function controls(catalogue, last, changed) {
  const inputs = {};
  const put = (name, input) => { inputs[name] = input; return input; };
  const error = (name) => h("p", { className: "error", role: "alert", data: { error: PATHS[name] ?? name } });
  const sliders = SLIDERS.map((one) => slider(one, last, put, error, changed));
  const select = (name, title, items, usual) => {
    const chosen = last[name] ?? usual;
    const box = put(name, h("select", { id: `costs-${name}`, name }, ...items.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
    return h("div", { className: "field" }, h("label", { htmlFor: box.id }, title), box);
  };
  const currencies = [...new Set(catalogue.offers.map((offer) => offer.currency))].sort();
  const sizes = [...new Set([...SIZES, ...catalogue.speeds.map((speed) => speed.size)])];
  const presets = [...new Set([...model("default").presets, ...catalogue.speeds.map((speed) => speed.preset)])];
  const check = (name, title, usual) => {
    const box = put(name, h("input", { type: "checkbox", id: `costs-${name}`, checked: last[name] ?? usual }));
    return h("label", { className: "check" }, box, title);
  };
  const text = (group, list, usual) => list.map(([name, title, value]) => {
    const key = `${group}-${name}`;
    const input = put(key, h("input", { id: `costs-${key}`, name: PATHS[key] ?? `machine.${name}`, inputMode: "decimal", value: last[key] ?? usual?.[name] ?? value ?? "" }));
    return h("div", { className: "field" }, h("label", { htmlFor: input.id }, title), input, h("p", { className: "error", role: "alert", data: { error: PATHS[key] ?? `machine.${name}` } }));
  });
  const now = h("p", { className: "costs-now", aria: { hidden: "true" } });
  const element = h("form", { className: "panel costs-panel", noValidate: true, autocomplete: "off", on: { submit: (event) => event.preventDefault(), input: changed, change: changed } },
    now, ...sliders,
    check("drafts", "Cheap drafts first, finals of what is picked", false),
    h("div", { className: "row" }, h("div", { className: "grow" }, select("size", "Size", sizes.map((size) => [size, size.replace("x", " × ")]), "1024x1024")), h("div", { className: "grow" }, select("currency", "Currency", currencies.map((code) => [code, code]), currencies.includes("USD") ? "USD" : currencies[0]))),
    select("preset", "Own machine draws finals at", presets.map((name) => [name, presetName(name)]), "final"),
    check("log", "Axes in powers of ten", true),
    h("details", { className: "more", open: last.more_open ?? false, on: { toggle: (event) => { inputs.more_open = { checked: event.target.open, type: "checkbox" }; } } }, h("summary", {}, "Budget, deadline, wages"), h("div", { className: "costs-two" }, ...text("more", MORE))),
    h("details", { className: "more" }, h("summary", {}, "This machine's figures"),
      h("p", { className: "hint after" }, "In the currency above. How fast it draws is no figure: that is measured from what it drew."),
      check("own", "Count with these instead of the rows of the catalogue", false),
      h("div", { className: "field" }, select("predict_model", "Model whose speed is predicted where none is measured", [["", "None"], ...modelItems()], "")),
      h("p", { className: "error", role: "alert", data: { error: "predict" } }),
      h("div", { className: "costs-two" }, ...text("own", FIGURES, catalogue.figures))),
    h("p", { className: "error", role: "alert", data: { error: "" } }));

  const values = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.type === "checkbox" ? input.checked : input.value]));
  const request = () => {
    const all = values();
    const whole = (name) => (/^\d+$/.test(clean(all[name])) ? Number(clean(all[name])) : clean(all[name]));
    const campaign = {
      currency: all.currency, assets: whole("assets"), candidates: whole("candidates"), retries: String(Number(clean(all.retries)) / 100), ratios: whole("ratios"),
      size: all.size, preset: all.preset, months: whole("more-months"), seats: whole("more-seats"), devices: whole("more-devices"),
      extras: { reviewer_minutes: clean(all.minutes), reviewer_wage: clean(all["more-wage"]) || "0" },
    };
    if (all.drafts) campaign.funnel = {};
    if (clean(all["more-budget"])) campaign.budget = { amount: clean(all["more-budget"]), currency: all.currency };
    if (clean(all["more-deadline"])) campaign.deadline_hours = clean(all["more-deadline"]);
    const body = { campaign };
    if (all.own) body.machine = Object.fromEntries(FIGURES.map(([name]) => [name, name === "months" ? whole("own-months") : clean(all[`own-${name}`])]));
    if (all.predict_model) body.predict = all.predict_model;
    return body;
  };
  const predict = (on) => {
    inputs.predict_model.value = on ? model("default").name : "";
    changed();
  };
  return { element, now, values, request, predict, log: () => inputs.log.checked };
}

/** A slider with its number beside it; both say the same. */
function slider([name, title, least, most, step, usual, note, tens], last, put, error, changed) {
  const value = last[name] ?? usual;
  const place = (shown) => (tens ? Math.log10(Math.min(Math.max(Number(shown) || least, least), most) / least) / Math.log10(most / least) * 1000 : shown);
  const told = (at) => {
    if (!tens) return at;
    const exact = least * (most / least) ** (at / 1000);
    const unit = 10 ** Math.max(0, Math.floor(Math.log10(exact)) - 1);
    return Math.round(exact / unit) * unit;
  };
  const number = put(name, h("input", { id: `costs-${name}`, name: PATHS[name], inputMode: "numeric", value: String(value) }));
  const range = h("input", { type: "range", min: tens ? 0 : least, max: tens ? 1000 : most, step: tens ? 1 : step, value: String(place(value)), aria: { label: title, valuetext: String(value) } });
  range.addEventListener("input", () => { number.value = String(told(Number(range.value))); range.setAttribute("aria-valuetext", number.value); changed(); });
  number.addEventListener("input", () => { range.value = String(place(number.value)); range.setAttribute("aria-valuetext", number.value); });
  return h("div", { className: "field costs-slider" }, h("label", { htmlFor: number.id }, title), number, range, note ? h("p", { className: "hint" }, note) : null, error(name));
}
