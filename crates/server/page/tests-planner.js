// The planner of a test: how many people it takes, how long that is, and what many pictures had better do.

import { post } from "./api.js";
import { calm, h } from "./dom.js";
import { kept } from "./state.js";
import { curve } from "./tests-plot.js";
import { count } from "./words.js";

const people = (number) => number.toLocaleString("en");
export const percent = (share, digits = 3) => `${Number((share * 100).toPrecision(digits))} %`;
/** Two digits of a value on a slider whose steps multiply. */
const round = (value) => Number(value.toPrecision(2));

const sliders = [
  { name: "rate", title: "How many of 100 people click today", low: Math.log10(0.0005), high: Math.log10(0.5), value: (at) => round(10 ** at), text: (rate) => percent(rate, 2), usual: -2 },
  { name: "lift", title: "The smallest difference worth finding", low: Math.log10(0.02), high: 0, value: (at) => round(10 ** at), text: (lift) => `${percent(lift, 2)} more`, usual: Math.log10(0.2) },
  { name: "arms", title: "Pictures in the test, with the present one", low: 2, high: 20, step: 1, value: (at) => at, text: (arms) => String(arms), usual: 2 },
  { name: "traffic", title: "People a day, all pictures together", low: 2, high: 7, value: (at) => round(10 ** at), text: people, usual: 4 },
  { name: "days", title: "Days you can wait", low: 1, high: 90, step: 1, value: (at) => at, text: (days) => count(days, "day"), usual: 14 },
];
const NAMES = { all_at_once: "All at once", staged: "In two stages", bandit: "A bandit", fewer: "Fewer, more different" };

/** The planner as `{ element, request }`; `arms` is where its slider for pictures begins. */
export function plannerOf(arms) {
  const last = { ...kept.get("tests", {}), arms: Math.min(arms, 20) };
  const fields = sliders.map((slider) => field(slider, last[slider.name] ?? slider.usual, () => (remember(fields), say())));
  const result = h("div", { className: "tests-plan-result", aria: { live: "polite" } });
  const request = () => Object.fromEntries(fields.map(({ name, value }) => [name, value()]));
  const say = calm(async () => {
    try {
      result.replaceChildren(...told(await post("experiments/plan", request())));
    } catch (error) {
      result.replaceChildren(h("p", { className: "error" }, error.message));
    }
  }, 120);
  say();
  const element = h("section", { className: "tests-planner" },
    h("h2", { tabIndex: -1 }, "Can a test tell these pictures apart?"),
    h("p", { className: "lead" }, "Pictures differ less than one hopes, and chance looks like a winner every day. See first what it takes to know."),
    h("div", { className: "tests-plan" }, h("div", { className: "card" }, ...fields.map((one) => one.element)), result));
  return { element, request };
}

/** Numbers of a sentence with signs between their thousands. */
const grouped = (text) => text.replace(/\d{4,}/g, (number) => people(Number(number)));
const remember = (fields) => kept.set("tests", Object.fromEntries(fields.map(({ name, at }) => [name, at()])));

function field({ name, title, low, high, step = "any", value, text }, begin, changed) {
  const id = `tests-plan-${name}`;
  const output = h("output", { htmlFor: id });
  const input = h("input", { type: "range", id, min: low, max: high, step: step === "any" ? (high - low) / 200 : step });
  input.value = begin;
  const tell = () => {
    output.textContent = text(value(Number(input.value)));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => (tell(), changed()));
  tell();
  return {
    name, at: () => Number(input.value), value: () => value(Number(input.value)),
    element: h("div", { className: "field" }, h("div", { className: "tests-slider" }, h("label", { htmlFor: id }, title), output), input),
  };
}

function told(plan) {
  const way = ({ kind, people: all, days, words }) =>
    h("tr", {}, h("th", { scope: "row" }, NAMES[kind] ?? kind), h("td", { className: "number" }, people(all)), h("td", { className: "number" }, people(days)), h("td", {}, grouped(words)));
  return [
    h("div", { className: "big-numbers" },
      h("div", {}, h("b", {}, people(plan.people_per_arm)), "people for each picture"),
      h("div", {}, h("b", {}, count(plan.days, "day")), "until it is known"),
      plan.detectable_lift ? h("div", {}, h("b", {}, percent(plan.detectable_lift, 2)), "is found in the days you have") : null),
    ...plan.words.map((text) => h("p", {}, grouped(text))),
    plan.ways.length > 1
      ? h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Ways to test so many pictures" } }, h("table", {}, h("caption", {}, "Ways to test so many pictures"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Way"), h("th", { scope: "col", className: "number" }, "People"), h("th", { scope: "col", className: "number" }, "Days"), h("th", { scope: "col" }, "What to do"))),
        h("tbody", {}, ...plan.ways.map(way))))
      : null,
    h("figure", { className: "tests-figure" }, h("figcaption", {}, h("b", {}, "Days until a difference is found, by its size"), "Half the difference takes four times the people."), curve("Days until a difference is found, by its size", plan.curve)),
  ].filter(Boolean);
}
