// Who won: ratings with their intervals, quality against seconds and against cost, by kind of asset.

import { get } from "./api.js";
import { ticks } from "./chart.js";
import { choices, checked, empty, h, s } from "./dom.js";
import { count, money, presetName, seconds } from "./words.js";

const EDGE = { left: 58, right: 24, top: 26, bottom: 42 };

/** Shows what a bake-off says; `leave` goes back to the list. */
export async function results(bakeoff, place, leave) {
  place.replaceChildren(h("p", { className: "hint" }, "Counting …"));
  let report = null;
  try {
    report = await get(`bakeoffs/${bakeoff.id}/report`);
  } catch (error) {
    return place.replaceChildren(empty("No results", error.message, h("button", { type: "button", on: { click: leave } }, "Back")));
  }
  const stage = h("div", {});
  const kinds = h("div", { className: "chips", role: "group", aria: { label: "Kind of asset" } });
  const names = report.groups.map((group) => group.kind ?? "all kinds");
  choices(kinds, "radio", "bakeoff-kind", names.map((name, i) => [String(i), name, count(report.groups[i].votes, "vote")]), ["0"]);
  const paint = () => stage.replaceChildren(...group(report.groups[Number(checked(kinds)[0] ?? 0)], report));
  kinds.addEventListener("change", paint);
  place.replaceChildren(
    h("div", { className: "duel-head" }, h("h2", { className: "grow" }, report.name), names.length > 1 ? kinds : null, h("button", { type: "button", className: "quiet", on: { click: leave } }, "Back")),
    stage);
  paint();
}

function group(one, report) {
  const best = one.contestants[0];
  const apart = one.contestants.filter((other) => other.rank === 1);
  const text = !one.votes ? "Nobody has voted on these yet." : apart.length === 1
    ? `${best.name} wins: ${best.wins} of ${count(best.duels, "duel")}, and its lead is larger than chance.`
    : `${best.name} leads, but ${apart.length === one.contestants.length ? "nobody can be told apart yet" : `${apart.slice(1).map((other) => other.name).join(", ")} cannot be told apart from it`}: more votes narrow the intervals.`;
  const width = Math.min(Math.max(document.documentElement.clientWidth - 90, 280), 620);
  return [
    h("p", { className: "costs-sentence", role: "status" }, text),
    h("div", { className: "ratings" },
      card("Rating, with the interval that holds 95 %", ratings(one.contestants, width)),
      card("Quality against seconds a picture", cloud(one.contestants, width, "seconds", (value) => seconds(value), "Rating against seconds")),
      card("Quality against cost of a picture", cloud(one.contestants, width, "cost", (value) => money(value, report.currency), "Rating against cost")),
      card("How to read this", h("p", { className: "hint" }, "1,000 is an average contestant of this bake-off; 400 more are odds of ten to one. Filled points are the Pareto front: nobody else is at least as good, as fast and as cheap. Ties and pairs that are both bad count half for each."))),
    table(one, report)];
}

const card = (title, ...children) => h("div", { className: "card" }, h("h3", {}, title), ...children);
const words = (x, y, text, anchor = "middle", name = "") => {
  const element = s("text", { x, y, "text-anchor": anchor, class: name });
  element.textContent = text;
  return element;
};
const linear = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
const frame = (title, width, height) => s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });

function range(all) {
  const low = Math.floor((Math.min(...all.map((one) => one.rating_low), 900) - 20) / 100) * 100;
  const high = Math.ceil((Math.max(...all.map((one) => one.rating_high), 1100) + 20) / 100) * 100;
  return [low, high];
}

const steps = (low, high) => ticks(high - low, 5).map((value) => value + low);

function ratings(all, width) {
  const height = EDGE.top + all.length * 52 + EDGE.bottom;
  const [low, high] = range(all);
  const x = linear(low, high, 12, width - 16);
  const svg = frame(`Ratings: ${all.map((one) => `${one.name} ${Math.round(one.rating)}, ${Math.round(one.rating_low)} to ${Math.round(one.rating_high)}`).join("; ")}`, width, height);
  for (const value of steps(low, high)) svg.append(s("line", { class: "rule", x1: x(value), x2: x(value), y1: 8, y2: height - EDGE.bottom }), words(x(value), height - EDGE.bottom + 18, String(Math.round(value))));
  svg.append(s("line", { class: "upright", x1: x(1000), x2: x(1000), y1: 8, y2: height - EDGE.bottom }));
  all.forEach((one, i) => {
    const y = EDGE.top + i * 52 + 24;
    const name = one.rank === 1 ? "front" : "";
    svg.append(words(12, y - 14, `${i + 1}. ${one.name}`, "start", "name"),
      s("line", { class: `whisker ${name}`, x1: x(one.rating_low), x2: x(one.rating_high), y1: y, y2: y }), s("circle", { class: `mark ${name}`, cx: x(one.rating), cy: y, r: 6 }));
  });
  return svg;
}

function cloud(all, width, key, text, title) {
  const shown = all.filter((one) => one[key] !== null);
  if (!shown.length) return h("p", { className: "hint" }, "Not known yet.");
  const height = 300;
  const [low, high] = range(shown);
  const most = Math.max(...shown.map((one) => Number(one[key])), 1e-6) * 1.15;
  const x = linear(0, most, EDGE.left, width - EDGE.right);
  const y = linear(low, high, height - EDGE.bottom, EDGE.top);
  const svg = frame(title, width, height);
  for (const value of steps(low, high)) svg.append(s("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }), words(EDGE.left - 8, y(value) + 4, String(Math.round(value)), "end"));
  for (const value of ticks(most, 4)) svg.append(words(x(value), height - EDGE.bottom + 18, value === 0 ? "0" : text(value)));
  svg.append(s("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: height - EDGE.bottom, y2: height - EDGE.bottom }));
  for (const one of shown) {
    const [cx, cy] = [x(Number(one[key])), y(one.rating)];
    const name = one.pareto ? "front" : "";
    const left = cx > width * 0.6;
    const mark = s("circle", { class: `mark ${name}`, cx, cy, r: 7 });
    const note = s("title");
    note.textContent = `${one.name}: ${Math.round(one.rating)}, ${text(Number(one[key]))}`;
    mark.append(note);
    svg.append(s("line", { class: `whisker ${name}`, x1: cx, x2: cx, y1: y(one.rating_low), y2: y(one.rating_high) }), mark, words(cx + (left ? -12 : 12), cy + 4, one.name, left ? "end" : "start", "tag-text"));
  }
  return svg;
}

function table(one, report) {
  const head = (text, name = "") => h("th", { scope: "col", className: name }, text);
  const cell = (text) => h("td", { className: "number" }, text);
  const row = (line) => h("tr", {}, h("th", { scope: "row" }, line.name, h("small", {}, line.outside ? " from outside" : ` ${line.model}, ${presetName(line.preset)}`)),
    cell(String(line.rank)), cell(String(Math.round(line.rating))), cell(`${Math.round(line.rating_low)} to ${Math.round(line.rating_high)}`), cell(`${line.wins} / ${line.losses} / ${line.ties} / ${line.bad}`),
    cell(line.seconds === null ? "–" : seconds(line.seconds)), cell(line.cost === null ? "–" : money(Number(line.cost), report.currency)), cell(line.pareto ? "yes" : ""));
  return h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Results" } }, h("table", { className: "bakeoff-table" },
    h("caption", {}, `${count(one.prompts, "prompt")}, ${count(one.votes, "vote")}, ${count(report.voters, "person", "people")}; contestants of one rank cannot be told apart from its first`),
    h("thead", {}, h("tr", {}, head("Contestant"), head("Rank", "number"), head("Rating", "number"), head("95 %", "number"), head("Won / lost / tied / bad", "number"), head("Time", "number"), head("Cost", "number"), head("Pareto front", "number"))),
    h("tbody", {}, ...one.contestants.map(row))));
}
