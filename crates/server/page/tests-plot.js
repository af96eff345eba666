// Plots of tests, drawn as SVG: intervals over days, and what a difference takes to find.

import { s } from "./dom.js";
import { ticks } from "./chart.js";

const WIDTH = 420;
const HEIGHT = 220;
const EDGE = { left: 58, right: 14, top: 14, bottom: 34 };
const DAY_MS = 86_400_000;

const label = (x, y, text, anchor = "middle") => {
  const element = s("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
};
const frame = (title) => s("svg", { class: "chart tests-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
const scale = (from, to, low, high) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
const date = (day) => new Date(day * DAY_MS).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });

/** From where to where the plot reaches: the later half of the intervals, and 0. The first days are too wide to show. */
function reach(points, caring) {
  const late = points.slice(Math.floor(points.length / 2));
  const low = Math.min(-caring * 2, ...late.map((point) => point.interval.low));
  const high = Math.max(caring * 2, ...late.map((point) => point.interval.high));
  const room = (high - low) * 0.08;
  return [low - room, high + room];
}

/** Round values between two others. */
function between(low, high) {
  const steps = ticks(high - low, 4);
  const step = steps[1] - steps[0];
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** The interval of one picture against the first, after each day; `text` writes a value. */
export function intervals(title, points, caring, text) {
  const svg = frame(title);
  const [low, high] = reach(points, caring);
  const last = points.length - 1;
  const x = scale(EDGE.left, WIDTH - EDGE.right, points[0].day - 0.5, points[last].day + 0.5);
  const y = scale(HEIGHT - EDGE.bottom, EDGE.top, low, high);
  const inside = (value) => y(Math.min(Math.max(value, low), high));
  for (const value of between(low, high)) svg.append(s("line", { class: "rule", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }), label(EDGE.left - 8, y(value) + 4, text(value), "end"));
  svg.append(s("rect", { class: "tests-caring", x: EDGE.left, width: WIDTH - EDGE.left - EDGE.right, y: inside(caring), height: Math.max(inside(-caring) - inside(caring), 1) }));
  svg.append(s("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(0), y2: y(0) }));
  if (points.length > 1) {
    const upper = points.map((point, i) => `${i ? "L" : "M"}${x(point.day)} ${inside(point.interval.high)}`).join("");
    const lower = [...points].reverse().map((point) => `L${x(point.day)} ${inside(point.interval.low)}`).join("");
    svg.append(s("path", { class: "tests-band", d: `${upper}${lower}Z` }));
    svg.append(s("path", { class: "line s0", d: points.map((point, i) => `${i ? "L" : "M"}${x(point.day)} ${inside(point.estimate)}`).join("") }));
  }
  const end = points[last];
  svg.append(s("line", { class: "tests-end", x1: x(end.day), x2: x(end.day), y1: inside(end.interval.low), y2: inside(end.interval.high) }), s("circle", { class: "d0", cx: x(end.day), cy: inside(end.estimate), r: 4 }));
  svg.append(label(x(points[0].day), HEIGHT - 12, date(points[0].day), points.length > 1 ? "start" : "middle"));
  if (points.length > 1) svg.append(label(x(end.day), HEIGHT - 12, date(end.day), "end"));
  return svg;
}

/** Days (or people, without traffic) that each difference takes, on a scale whose steps multiply. */
export function curve(title, points) {
  const svg = frame(title);
  const value = (point) => point.days ?? point.people_per_arm;
  const most = Math.max(...points.map(value));
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) + 1 }, (_, i) => 10 ** i);
  const y = (v) => scale(HEIGHT - EDGE.bottom, EDGE.top, 0, powers.length - 1)(Math.log10(Math.max(v, 1)));
  const x = (lift) => scale(EDGE.left, WIDTH - EDGE.right, Math.log10(points[0].lift), Math.log10(points.at(-1).lift))(Math.log10(lift));
  for (const power of powers) svg.append(s("line", { class: "rule", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(power), y2: y(power) }), label(EDGE.left - 8, y(power) + 4, power.toLocaleString("en", { notation: "compact" }), "end"));
  for (const lift of [0.02, 0.05, 0.1, 0.2, 0.5]) if (points.some((point) => point.lift >= lift)) svg.append(label(x(lift), HEIGHT - 12, `${lift * 100} %`));
  svg.append(s("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: HEIGHT - EDGE.bottom, y2: HEIGHT - EDGE.bottom }));
  svg.append(s("path", { class: "line s0", d: points.map((point, i) => `${i ? "L" : "M"}${x(point.lift)} ${y(value(point))}`).join("") }));
  for (const point of points) {
    const mark = s("circle", { class: "d0", cx: x(point.lift), cy: y(value(point)), r: 3.5 });
    const note = s("title");
    note.textContent = `${point.lift * 100} %: ${value(point).toLocaleString("en")} days`;
    mark.append(note);
    svg.append(mark);
  }
  return svg;
}
