// Cost, time and energy of every offer against volume. A series is `{id, kind, stale, points}`, its points `{pictures, cost,
// seconds, kwh}`; between two points it is straight.

import { ticks } from "./chart.js";
import { s } from "./dom.js";

const EDGE = { left: 66, right: 20, top: 46, bottom: 44 };
const SAMPLES = 140;
const NEAR = 48;

/** What a series says at a volume, or null. */
export function valueAt(points, key, volume) {
  let high = points.length - 1;
  if (high < 0 || volume < points[0].pictures || volume > points[high].pictures) return null;
  let low = 0;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle].pictures <= volume) low = middle; else high = middle;
  }
  const [a, b] = [points[low], points[high]];
  if (volume === b.pictures || a === b) return b[key];
  if (a[key] === null || b[key] === null) return null;
  return a[key] + ((volume - a.pictures) / (b.pictures - a.pictures)) * (b[key] - a[key]);
}

const words = (x, y, text, anchor = "middle", name = "") => {
  const element = s("text", { x, y, "text-anchor": anchor, class: name });
  element.textContent = text;
  return element;
};

function scale(low, high, from, to, log) {
  const place = log ? Math.log10 : (value) => value;
  const [a, b] = [place(low), place(high)];
  const there = (value) => from + ((place(value) - a) / (b - a || 1)) * (to - from);
  there.back = (at) => {
    const value = a + ((at - from) / (to - from || 1)) * (b - a);
    return log ? 10 ** value : value;
  };
  return there;
}

const decades = (low, high) => {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) all.push(10 ** power);
  return all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
};

const thin = (values, most) => values.filter((_, i) => i % Math.ceil(values.length / most) === 0);

const short = (value) => (value >= 1e6 ? `${value / 1e6} M` : value >= 1e4 ? `${value / 1e3} k` : value.toLocaleString("en"));

/** Volumes at which a curve is drawn: evenly spread over the axis, and all its own. */
function volumes(x, low, high, points) {
  const even = Array.from({ length: SAMPLES + 1 }, (_, i) => Math.min(Math.max(x.back(x(low) + (i / SAMPLES) * (x(high) - x(low))), low), high));
  const own = points.map((point) => point.pictures).filter((pictures) => pictures >= low && pictures <= high);
  return [...new Set([...even, ...own])].sort((a, b) => a - b);
}

function path(points, key, x, y, low, high) {
  let text = "";
  let pen = false;
  for (const volume of volumes(x, low, high, points)) {
    const value = valueAt(points, key, volume);
    if (value === null || value <= 0) { pen = false; continue; }
    text += `${pen ? "L" : "M"}${x(volume).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
  }
  return text;
}

/**
 * One plot. `about` has `title`, `key`, `text` (a value in words), `marks` (values of the axis; decades without it), `tick` (their words), `log`,
 * `width`, `height`, `low` and `high` (volumes), `campaign` (its volume), `best` (segments `{from, to, id}`, only for costs) and
 * `onNear(id)`. Gives `{svg, light(id), empty}`.
 */
export function plot(series, about) {
  const { title, key, text, log, width, height, low, high, campaign, best, onNear } = about;
  const shown = series.filter(({ points }) => points.some((point) => point[key] !== null && point[key] > 0));
  const values = shown.flatMap(({ points }) => [low, high, ...points.map((point) => point.pictures)].map((volume) => valueAt(points, key, volume))).filter((value) => value > 0);
  const svg = s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  if (!values.length) return { svg, light() {}, empty: true };
  const most = Math.max(...values);
  const least = Math.max(Math.min(...values), most / 1e9);
  const x = scale(log ? low : 0, high, EDGE.left, width - EDGE.right, log);
  const y = scale(log ? least : 0, most, height - EDGE.bottom, EDGE.top, log);
  axes(svg, x, y, { ...about, least, most });
  const layer = s("g");
  svg.append(layer);
  if (best) for (const { from, to, id } of best) {
    const points = shown.find((one) => one.id === id)?.points;
    if (points && to >= low) layer.append(s("path", { class: "best", d: path(points, key, x, y, Math.max(from, low), Math.min(to, high)) }));
  }
  const drawn = new Map();
  for (const one of shown) {
    const line = s("path", { class: `curve k-${one.kind}${one.stale ? " stale" : ""}`, d: path(one.points, key, x, y, low, high) });
    drawn.set(one.id, { ...one, line });
    layer.append(line);
  }
  if (campaign >= low && campaign <= high) rule(svg, x(campaign), height, `this campaign: ${campaign.toLocaleString("en")}`, "here", 14, width);
  if (best) breaks(svg, best, x, low, height, width);
  const over = s("g", { class: "over" });
  svg.append(over);
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  svg.addEventListener("pointermove", (event) => {
    const [px, py] = point(event);
    const volume = Math.min(Math.max(x.back(px), low), high);
    let near = [NEAR, null];
    for (const { id, points } of drawn.values()) {
      const value = valueAt(points, key, volume);
      if (value > 0 && Math.abs(y(value) - py) < near[0]) near = [Math.abs(y(value) - py), id];
    }
    if (near[1]) onNear(near[1], Math.max(1, Math.round(volume)));
  });
  svg.addEventListener("pointerleave", () => onNear(null, null));
  const light = (id, volume = campaign) => {
    svg.classList.toggle("lit", drawn.has(id));
    for (const one of drawn.values()) one.line.classList.toggle("on", one.id === id);
    over.replaceChildren();
    const one = drawn.get(id);
    if (!one) return;
    layer.append(one.line);
    const at = Math.min(Math.max(volume, low), high);
    const value = valueAt(one.points, key, at);
    if (!(value > 0)) return;
    const [cx, cy] = [x(at), y(value)];
    const left = cx > width * 0.62;
    over.append(s("circle", { class: `spot k-${one.kind}`, cx, cy, r: 5 }), words(cx + (left ? -10 : 10), Math.max(cy - 10, EDGE.top + 10), `${one.id}: ${text(value)}`, left ? "end" : "start", "tag-text"));
  };
  return { svg, light, empty: false };
}

function axes(svg, x, y, { key, text, tick = text, marks, log, width, height, low, high, least, most, yName }) {
  const ys = log ? (marks ?? decades(least, most)).filter((value) => value >= least && value <= most) : ticks(most, 5);
  for (const value of thin(ys.length ? ys : [most], 7)) {
    svg.append(s("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }), words(EDGE.left - 8, y(value) + 4, tick(value), "end"));
  }
  const xs = log ? decades(low, high) : ticks(high, Math.max(2, Math.floor(width / 120))).filter((value) => value <= high);
  for (const value of xs) svg.append(words(x(value), height - EDGE.bottom + 18, short(value)));
  svg.append(s("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: height - EDGE.bottom, y2: height - EDGE.bottom }),
    words(width - EDGE.right, height - 6, "pictures", "end"), words(EDGE.left - 8, EDGE.top - 12, yName ?? key, "end"));
}

/** A line from top to bottom with its words, on whichever side there is room. */
function rule(svg, at, height, text, name, y, width) {
  const left = at > width * 0.6;
  svg.append(s("line", { class: `upright ${name}`, x1: at, x2: at, y1: y + 6, y2: height - EDGE.bottom }), words(at + (left ? -5 : 5), y + 4, text, left ? "end" : "start", name));
}

/** Where another offer becomes the cheapest. */
function breaks(svg, best, x, low, height, width) {
  let last = -Infinity;
  for (const { from, id } of best.filter((one) => one.from > low)) {
    const at = x(from);
    svg.append(s("line", { class: "upright change", x1: at, x2: at, y1: EDGE.top - 6, y2: height - EDGE.bottom }));
    if (at - last < 150) continue;
    last = at;
    const left = at > width * 0.6;
    svg.append(words(at + (left ? -5 : 5), 34, `from ${from.toLocaleString("en")}: ${id}`, left ? "end" : "start", "change"));
  }
}
