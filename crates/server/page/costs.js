// What a number of pictures costs, with each way of making them: sliders, plots, the cheapest, a table.

import { get, post } from "./api.js";
import { at, calm, empty, h, showError, toast } from "./dom.js";
import { kept, known, reloadModels, watch } from "./state.js";
import { editPrices } from "./costs-file.js";
import { controls } from "./costs-inputs.js";
import { plot } from "./costs-plot.js";
import { leftOut, offers, table } from "./costs-table.js";
import { brief, energy, number, paid, span } from "./costs-words.js";
import { count, money, presetName } from "./words.js";

const TIMES = [1, 10, 60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000];
const NARROW = 700;

let form = null;
let answer = null;
let asked = 0;
let pinned = null;
let catalogue = null;

export function setUp() {
  addEventListener("resize", calm(() => { if (answer && !at("view-costs").hidden) paint(); }, 150));
  watch("settings", () => { if (form) ask(); });
}

/** Shows the view; the first time it is made. */
export async function enter() {
  if (form) return ask();
  at("costs").replaceChildren(h("p", { className: "hint" }, "Reading the prices …"));
  try {
    [catalogue] = await Promise.all([get("prices"), known.models.length ? null : reloadModels()]);
    build();
    await ask();
  } catch (error) {
    at("costs").replaceChildren(empty("No prices", error.message, h("button", { type: "button", on: { click: enter } }, "Try again")));
  }
}

function build() {
  form = controls(catalogue, kept.get("costs", {}), changed);
  at("costs").replaceChildren(h("div", { className: "split" }, form.element, h("div", { className: "stage", id: "costs-stage" })));
}

const soon = calm(() => ask(), 90);

function changed() {
  kept.set("costs", form.values());
  soon();
}

async function ask() {
  asked += 1;
  const own = asked;
  at("costs-stage").classList.add("asking");
  try {
    const found = await post("prices/plan", form.request());
    if (own !== asked) return;
    answer = found;
    showError(form.element, null);
    paint();
  } catch (error) {
    if (own !== asked) return;
    if (error.code === "broken_catalogue") return broken(error);
    showError(form.element, error);
  } finally {
    if (own === asked) at("costs-stage").classList.remove("asking");
  }
}

function broken(error) {
  at("costs-stage").replaceChildren(empty("Your prices cannot be used", error.message, h("button", { type: "button", className: "primary", on: { click: edit } }, "Mend them")));
}

async function edit() {
  const found = await editPrices();
  if (!found) return;
  catalogue = found;
  build();
  ask();
}

function paint() {
  const best = answer.offers[0];
  form.now.replaceChildren(...(best ? [h("b", {}, paid(best.per_asset ?? best.total)), ` ${best.id}`] : ["no offer fits"]));
  at("costs-stage").replaceChildren(head(best), ...(best ? [pictures(), table(answer)] : []), leftOut(answer.excluded), source());
}

function head(best) {
  if (!best) return h("div", { className: "costs-head" }, h("p", { className: "costs-sentence", role: "status" }, answer.summary));
  const side = (value, title) => h("div", {}, h("b", {}, value), title);
  return h("div", { className: "costs-head" },
    h("p", { className: "costs-big" }, h("b", {}, paid(best.per_asset ?? best.total)), h("span", {}, best.per_asset ? " an approved asset" : " in all")),
    h("p", { className: "costs-sentence", role: "status" }, answer.summary),
    h("div", { className: "big-numbers" }, side(answer.work.generations.toLocaleString("en"), "pictures are drawn"), side(paid(best.total), "with review, storage"),
      best.seconds === null ? null : side(span(best.seconds), "until the last one"), best.kwh === null ? null : side(energy(best.kwh), "of energy")),
    speed());
}

/** How fast this machine is known to be. */
function speed() {
  const { campaign, offers: lines, excluded } = answer;
  const size = String(campaign.size).replace("x", " × ");
  const own = lines.find((line) => line.kind === "own_hw");
  if (own?.measured > 0) {
    const found = answer.speeds.find((one) => one.model === own.model && one.size === campaign.size && one.preset === campaign.preset);
    return h("p", { className: "notice" }, `This machine's speed is measured: ${count(own.measured, "picture")} of ${size} with ${own.model}, half of them within ${span(found?.p50_seconds)}, 95 % within ${span(found?.p95_seconds)}.`);
  }
  if (own) return h("p", { className: "notice" }, `This machine has drawn no ${size} at ${presetName(campaign.preset)} yet: its line follows what the engine predicts, and is not measured. `, button("Leave it out", false));
  if (!excluded.some((one) => one.reasons.some(({ reason }) => reason === "no_speed"))) return null;
  return h("p", { className: "notice" }, `This machine has drawn no ${size} at ${presetName(campaign.preset)} yet, so nobody knows its costs. `, button("Let the engine predict its speed", true));
}

/** Money on an axis. */
const round = (value, currency) => money(value, currency).replace(/\.00$/, "");

const button = (title, on) => h("button", { type: "button", className: "quiet", on: { click: () => form.predict(on) } }, title);

function pictures() {
  const low = Math.max(1, 10 ** (Math.floor(Math.log10(Math.max(answer.work.generations, 1))) - 2));
  const lines = new Map(answer.offers.map((line) => [line.id, line]));
  const series = answer.series.map(({ id, points }) => ({
    id, kind: lines.get(id).kind, stale: lines.get(id).stale,
    points: points.map((point) => ({ ...point, cost: number(point.cost) })),
  }));
  const place = h("div", { className: "costs-plots" });
  const readout = h("p", { className: "costs-readout" });
  const room = Math.max(at("costs-stage").clientWidth, 280) - 42;
  const currency = answer.campaign.currency;
  const log = form.log();
  const common = { log, low: log ? low : 1, high: answer.plotted_up_to, campaign: answer.work.generations, onNear: (id, volume) => light(id ?? pinned ?? answer.cheapest, volume) };
  const wide = room > NARROW;
  const half = wide ? Math.floor((room - 52) / 2) : room;
  const cost = plot(series, { ...common, key: "cost", yName: currency, title: `Cost of every offer against volume in ${currency}`, text: (value) => money(value, currency), tick: (value) => round(value, currency), width: room, height: wide ? 430 : 340, best: answer.break_points });
  const time = plot(series, { ...common, key: "seconds", yName: "time", title: "Time of every offer against volume", text: span, tick: brief, marks: TIMES, width: half, height: 280 });
  const power = plot(series, { ...common, key: "kwh", yName: "kWh", title: "Energy of every offer against volume", text: energy, tick: (value) => value.toLocaleString("en", { maximumSignificantDigits: 3, maximumFractionDigits: 9 }), width: half, height: 280 });
  const list = offers(answer, (id) => light(id), (id) => { pinned = pinned === id ? null : id; light(id); return pinned; }, () => light(pinned ?? answer.cheapest));
  const light = (id, volume) => {
    for (const one of [cost, time, power]) one.light(id, volume ?? undefined);
    list.light(id);
    readout.replaceChildren(...said(series, lines.get(id), volume ?? answer.work.generations));
  };
  const card = (title, one, none) => h("div", { className: "card" }, h("h3", {}, title), one.empty ? h("p", { className: "hint" }, none) : one.svg);
  const silent = answer.offers.filter((line) => line.seconds === null).length;
  place.append(
    h("h2", { className: "sr" }, "Against volume"),
    h("div", { className: "card" }, h("div", { className: "costs-card-head" }, h("h3", {}, "Cost against volume"), legend()), cost.svg, readout, ranges(), list.element),
    h("div", { className: wide ? "costs-pair" : "" },
      card(silent ? `Time (${count(silent, "offer says", "offers say")} nothing of it)` : "Time", time, "No offer says how long a picture takes."),
      card("Energy, where it is known", power, "Nobody says how much energy a picture takes: machines do, once their speed is known.")));
  pinned = lines.has(pinned) ? pinned : null;
  light(pinned ?? answer.cheapest);
  return place;
}

/** Which offer is the cheapest at which volume, in words. */
function ranges() {
  const parts = answer.break_points.map(({ from, to, id }, i, all) => h("li", {}, h("b", {}, id), i === all.length - 1 ? ` from ${from.toLocaleString("en")}` : ` ${from.toLocaleString("en")} to ${to.toLocaleString("en")}`));
  return parts.length > 1 ? h("ol", { className: "costs-ranges", aria: { label: "The cheapest offer by number of pictures" } }, ...parts) : null;
}

const legend = () => h("p", { className: "costs-legend" },
  ...[["api", "by the picture"], ["plan", "by the month"], ["gpu_rent", "rented"], ["own_hw", "own"]].map(([kind, text]) => h("span", {}, h("i", { className: `k-${kind}` }), text)),
  h("span", {}, h("i", { className: "k-best" }), "cheapest"), h("span", {}, h("i", { className: "k-stale" }), "old price"));

/** The lit offer at a volume, and from where an own machine beats it. */
function said(series, line, volume) {
  if (!line) return [];
  const points = series.find(({ id }) => id === line.id).points;
  const near = points.reduce((a, b) => (Math.abs(b.pictures - volume) < Math.abs(a.pictures - volume) ? b : a));
  const at = volume === answer.work.generations ? `${paid(line.cost)} for this campaign, ${paid(line.per_asset)} an approved asset` : `about ${money(near.cost, answer.campaign.currency)} for ${near.pictures.toLocaleString("en")} pictures`;
  const even = answer.break_even.find(({ against, pictures }) => against === line.id && pictures !== null);
  const parts = [h("b", {}, line.id), ` ${at}`];
  if (line.seconds !== null) parts.push(`, ${span(line.seconds)}`);
  if (even) parts.push(`; ${even.own} pays off from ${even.pictures.toLocaleString("en")} pictures a month`);
  if (line.stale) parts.push(` – ${`price of ${line.checked_on}: look again before buying`}`);
  return parts;
}

function source() {
  const own = catalogue.own ? "your own prices" : "the prices that come with the program, which are no offers";
  const stale = answer.offers.filter((line) => line.stale).length;
  return h("p", { className: "hint costs-source" }, `From ${own}; ${stale ? `${count(stale, "offer")} here ${stale === 1 ? "is" : "are"} older than 90 days. ` : "all looked up within 90 days. "}`,
    h("button", { type: "button", className: "quiet", on: { click: () => edit().catch((error) => toast(error.message, { bad: true })) } }, "Edit the prices"),
    known.settings.currency === answer.campaign.currency ? null : ` Amounts are in ${answer.campaign.currency}; there is no exchange rate here.`);
}
