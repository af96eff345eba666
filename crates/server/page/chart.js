// Charts, drawn as SVG: time against likeness, and days of cost.

import { s } from "./dom.js";

/** As wide as there is room, so that its words are as large as others. */
const room = () => Math.min(Math.max(document.documentElement.clientWidth - 70, 280), 860);
const HEIGHT = 320;
const LOW = 200;
const EDGE = { left: 72, right: 24, top: 16, bottom: 44 };

/** Round steps that divide 0..=most into about `parts`. */
export function ticks(most, parts = 5) {
  const raw = Math.max(most, 1e-9) / parts;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
}

const frame = (title, width, height) => s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
const label = (x, y, text, anchor = "middle") => {
  const element = s("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
};

function axes(svg, [x, xs, xText], [y, ys, yText], width, height) {
  for (const value of ys) {
    svg.append(s("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }), label(EDGE.left - 8, y(value) + 4, yText(value), "end"));
  }
  for (const value of xs) svg.append(label(x(value), height - EDGE.bottom + 18, xText(value)));
  svg.append(s("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: height - EDGE.bottom, y2: height - EDGE.bottom }));
}

const scale = (from, to, low, high) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

/** Lines of points `{x, y, name}`; one class a series. */
export function lines(title, series, { xName, yName, xText, yText, low }) {
  const all = series.flatMap(({ points }) => points);
  const width = room();
  const xs = ticks(Math.max(...all.map((point) => point.x)) * 1.05);
  const x = scale(EDGE.left, width - EDGE.right, 0, Math.max(xs.at(-1), ...all.map((point) => point.x)) * 1.04);
  const y = scale(HEIGHT - EDGE.bottom, EDGE.top + 14, low, 100);
  const svg = frame(title, width, HEIGHT);
  axes(svg, [x, xs, xText], [y, ticks(100 - low, 4).map((value) => value + low), yText], width, HEIGHT);
  series.forEach(({ points }, i) => {
    const path = points.map((point, n) => `${n ? "L" : "M"}${x(point.x)} ${y(point.y)}`).join("");
    svg.append(s("path", { class: `line s${i % 3}`, d: path }));
    const heights = beside(points.map((point) => x(point.x)));
    points.forEach((point, n) => svg.append(dot(x(point.x), y(point.y), i, point.name), label(x(point.x), y(point.y) + heights[n], point.name)));
  });
  svg.append(label(width - EDGE.right, HEIGHT - 8, xName, "end"), label(EDGE.left, 12, yName, "start"));
  return svg;
}

/** Where names stand: above their points, or below where the one before is close. */
function beside(xs) {
  let last = { x: -Infinity, above: false };
  return xs.map((x) => {
    last = { x, above: x - last.x > 64 || !last.above };
    return last.above ? -10 : 20;
  });
}

function dot(x, y, series, name) {
  const mark = s("circle", { class: `d${series % 3}`, cx: x, cy: y, r: 5 });
  const title = s("title");
  title.textContent = name;
  mark.append(title);
  return mark;
}

/** A bar a day, from `[day, value]` pairs. */
export function bars(title, days, text) {
  const most = Math.max(...days.map(([, value]) => value));
  const width = room();
  const x = scale(EDGE.left, width - EDGE.right, 0, days.length);
  const y = scale(LOW - EDGE.bottom, EDGE.top, 0, most || 1);
  const svg = frame(title, width, LOW);
  const each = Math.ceil(days.length / Math.floor(width / 70));
  axes(svg, [(i) => x(i + 0.5), days.map((_, i) => i).filter((i) => i % each === 0), (i) => days[i][0].slice(5)], [y, ticks(most, 3), text], width, LOW);
  days.forEach(([day, value], i) => {
    const wide = Math.min(x(1) - x(0) - 2, 42);
    const mark = s("rect", { class: "bar-mark", x: x(i + 0.5) - wide / 2, y: y(value), width: wide, height: Math.max(y(0) - y(value), 0), rx: 3 });
    const note = s("title");
    note.textContent = `${day}: ${text(value)}`;
    mark.append(note);
    svg.append(mark);
  });
  return svg;
}
