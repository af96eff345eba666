// What time buys: one prompt and seed, drawn faster and slower, with time against likeness to the slowest. Beside it, bake-offs.

import { get, on, picture, post } from "./api.js";
import { at, checked, choices, empty, fill, h, showError } from "./dom.js";
import { lines } from "./chart.js";
import { slot } from "./tiles.js";
import { known, model, modelItems, watch } from "./state.js";
import { planned, timeAndCost } from "./plan.js";
import { projectChoice, projectOf } from "./projects.js";
import { count, money, presetName, presets, seconds } from "./words.js";
import * as usage from "./usage.js";

const form = at("quality-form");
/** Steps beside those of the presets. */
const STEPS = [2, 4, 50];
let waiting = null;

export function setUp() {
  watch("models", (models) => {
    if (!models.length) return;
    const before = at("quality-model").value;
    fill(at("quality-model"), modelItems());
    if (at("quality-model").value !== before) modelChanged();
  });
  projectChoice(at("quality-project"));
  at("quality-model").addEventListener("change", modelChanged);
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => (event.preventDefault(), run()));
  const nothing = empty("The chart will be here", "Choose what to compare. The button says how long it takes and what it costs.");
  nothing.classList.add("small");
  at("quality-result").replaceChildren(nothing);
  usage.setUp();
}

function modelChanged() {
  const now = model(at("quality-model").value);
  choices(at("quality-steps"), "checkbox", "way", [...presets(now), ...STEPS.map((steps) => [String(steps), `${steps} steps`])], [...now.presets, "4"]);
  choices(at("quality-samplers"), "checkbox", "sampler", now.samplers.map((name) => [name, name]), now.samplers.slice(0, 1));
  changed();
}

function jobs() {
  const base = {
    prompt: at("quality-prompt").value.trim(), seed: Number(at("quality-seed").value), count: 1,
    model: at("quality-model").value || undefined, project: projectOf(at("quality-project")),
  };
  const way = (name) => (/^\d+$/.test(name) ? { steps: Number(name) } : { preset: name });
  const size = model(base.model).default_size;
  return checked(at("quality-samplers")).flatMap((sampler) =>
    checked(at("quality-steps")).map((name) => ({ ...base, size, ...way(name), sampler: name === "turbo" ? undefined : sampler })));
}

function changed() {
  const asked = jobs();
  at("quality-label").textContent = asked.length ? `Compare ${count(asked.length, "way")}` : "Choose what to compare";
  at("quality-go").disabled = asked.length === 0;
  plan(asked);
}

const plan = planned(at("quality-plan"), form, async (asked) => {
  if (!asked.length) return "\u00a0";
  const plans = await Promise.all(asked.map((job) => post("plan", job)));
  const sum = (name) => plans.reduce((all, plan) => all + plan[name], 0);
  return timeAndCost({ seconds: sum("seconds"), cost: sum("cost"), currency: plans[0].currency });
});

async function run() {
  try {
    const made = [];
    for (const job of jobs()) made.push(await post("jobs", { ...job, priority: "batch" }));
    waiting = { jobs: made, assets: new Map() };
    showLadder(made);
    for (const job of made) settle(await get(`jobs/${job.id}`));
  } catch (error) {
    showError(form, error);
  }
}

const name = (job) => (job.request.steps ? `${job.request.steps} steps` : presetName(job.request.preset));
const steps = (job) => waiting.assets.get(job.id)?.recipe?.steps ?? 0;
const series = (job) => job.request.sampler ?? "turbo";

function showLadder(made) {
  const one = (job) => h("figure", { data: { way: job.id } }, slot(job, 0), h("figcaption", {}, h("b", {}, name(job)), h("br"), h("span", {}, series(job))));
  at("quality-result").replaceChildren(h("div", { className: "ways" },
    h("div", { className: "card", id: "quality-chart" }, h("p", { className: "hint" }, "The chart is drawn when all pictures are there.")),
    h("div", { className: "ladder", data: { list: "quality" } }, ...made.map(one))));
}

function settle(job) {
  if (!waiting || job.state !== "done" || !waiting.jobs.some(({ id }) => id === job.id) || !job.assets?.length) return;
  waiting.assets.set(job.id, job.assets[0]);
  const caption = at("quality-result").querySelector(`[data-way="${job.id}"] figcaption span`);
  if (caption) caption.textContent = `${series(job)} · ${seconds(job.seconds)} · ${money(job.cost, known.settings.currency)}`;
  waiting.jobs = waiting.jobs.map((one) => (one.id === job.id ? job : one));
  if (waiting.assets.size === waiting.jobs.length) draw(waiting);
}

on("done", settle);

async function draw({ jobs, assets }) {
  const pixels = new Map(await Promise.all(jobs.map(async (job) => [job.id, await read(assets.get(job.id))])));
  const points = (sampler) => {
    const own = jobs.filter((job) => series(job) === sampler).sort((a, b) => a.seconds - b.seconds);
    return own.map((job) => ({ x: job.seconds, y: likeness(pixels.get(job.id), pixels.get(slowest(jobs, sampler).id)), name: name(job) }));
  };
  const all = [...new Set(jobs.map(series))].map((sampler) => ({ sampler, points: points(sampler) }));
  const low = Math.max(0, Math.floor(Math.min(...all.flatMap(({ points }) => points.map((point) => point.y))) / 10) * 10 - 10);
  const chart = lines("Seconds a picture against likeness to the slowest picture", all, {
    xName: "seconds a picture", yName: "like the slowest, %", xText: (value) => String(+value.toFixed(2)), yText: (value) => String(Math.round(value)), low,
  });
  const key = ({ sampler }, i) => h("span", { className: `k${i % 3}` }, h("i"), sampler);
  at("quality-chart").replaceChildren(chart, h("div", { className: "legend" }, ...all.map(key)),
    h("p", { className: "hint" }, "Likeness is 100 % minus the mean difference of the pixels to the picture with the most steps of the same sampler, with what is transparent on grey. It says when more time stops changing the picture, not which picture is more beautiful: look at them. Seconds are measured, with whatever else the machine had to do."));
}

const slowest = (jobs, sampler) => jobs.filter((job) => series(job) === sampler).reduce((most, job) => (steps(job) > steps(most) ? job : most));

async function read(asset) {
  const image = h("img", { src: picture(asset, { width: 256 }) });
  await image.decode();
  const canvas = h("canvas", { width: 128, height: 128 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#808080";
  context.fillRect(0, 0, 128, 128);
  context.drawImage(image, 0, 0, 128, 128);
  return context.getImageData(0, 0, 128, 128).data;
}

function likeness(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 !== 3) sum += Math.abs(a[i] - b[i]);
  return 100 * (1 - sum / (a.length * 0.75) / 255);
}

/** The view is opened, at what time buys or (`#quality/bakeoffs`) at the bake-offs, whose files are fetched then. */
export async function enter(part) {
  const bakeoffs = part === "bakeoffs";
  at("quality-time").hidden = bakeoffs;
  at("quality-bakeoffs").hidden = !bakeoffs;
  for (const link of at("quality-parts").children) {
    if ((link.dataset.part === "bakeoffs") === bakeoffs) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (!bakeoffs) return usage.show();
  const place = at("quality-bakeoffs");
  try {
    if (!place.childElementCount) place.replaceChildren(h("p", { className: "hint", role: "status" }, "Looking …"));
    (await import("./bakeoffs.js")).show(null, place);
  } catch (error) {
    place.replaceChildren(empty("No bake-offs", `This part could not be fetched: ${error.message}`, h("button", { type: "button", on: { click: () => enter(part) } }, "Try again")));
  }
}
