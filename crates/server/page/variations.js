// A grid over prompt slots, styles, presets and seeds: counted and priced first, drafts next, the chosen ones finished.

import { get, post, postOnce } from "./api.js";
import { at, checked, choices, empty, fill, h, showError, toast } from "./dom.js";
import { addAction, chosen } from "./chosen.js";
import { cancel, isDraft } from "./runs.js";
import { kept, model, modelItems, watch } from "./state.js";
import { planned, timeAndCost } from "./plan.js";
import { projectChoice, projectOf } from "./projects.js";
import { channels } from "./sizes.js";
import { again, places, slot, tool } from "./tiles.js";
import { count, money, presets, seconds, when } from "./words.js";

const form = at("grid-form");
let batch = null;

export function setUp() {
  const last = kept.get("grid", {});
  if (last.prompt) at("grid-prompt").value = last.prompt;
  watch("styles", (styles) => choices(at("grid-styles"), "checkbox", "style", styles.map((style) => [style, style]), last.styles ?? []));
  watch("models", (models) => {
    if (!models.length) return;
    fill(at("grid-model"), modelItems(), at("grid-model").value || kept.get("grid", {}).model);
    modelChanged();
  });
  projectChoice(at("grid-project"), last.project);
  at("grid-model").addEventListener("change", modelChanged);
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => (event.preventDefault(), draw()));
  at("grid-past").addEventListener("change", () => { if (at("grid-past").value) showBatch(at("grid-past").value); });
  addAction("Finish", (assets) => assets.some(isDraft), finishAll, finishPlan);
  addAction("More like these", () => true, moreLike);
  showEmpty();
}

function modelChanged() {
  const [now, last] = [model(at("grid-model").value), kept.get("grid", {})];
  choices(at("grid-presets"), "checkbox", "preset", presets(now), last.presets ?? ["draft"]);
  fill(at("grid-channel"), channels(now).filter(([value]) => value !== "custom"));
  changed();
}

function request() {
  const seed = at("grid-seed").value.trim();
  const base = {
    prompt: at("grid-prompt").value.trim(), size: at("grid-channel").value.split("|")[1],
    model: at("grid-model").value || undefined, project: projectOf(at("grid-project")),
  };
  if (seed) base.seed = Number.isSafeInteger(Number(seed)) ? Number(seed) : seed;
  return { base, styles: checked(at("grid-styles")), presets: checked(at("grid-presets")), seed_count: Number(at("grid-seeds").value) };
}

function changed() {
  const grid = request();
  const { prompt, model, project } = grid.base;
  kept.set("grid", { prompt, model, project, styles: grid.styles, presets: grid.presets });
  plan(grid);
}

const plan = planned(at("grid-plan"), form, async (grid) => {
  const found = await post("variations", { ...grid, dry_run: true });
  at("grid-label").textContent = `Draw ${count(found.pictures, "picture")}`;
  return timeAndCost(found);
});

async function draw() {
  try {
    const grid = await postOnce("variations", request());
    showError(form, null);
    show(grid.batch, grid.cells, new Map(grid.jobs.map((job) => [job.id, job])));
    at("grid-stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
    loadPast();
  } catch (error) {
    showError(form, error);
  }
}

function show(id, cells, jobs) {
  batch = id;
  const pictures = [...jobs.values()].reduce((sum, job) => sum + job.images, 0);
  const head = h("div", { className: "grid-head" }, h("h2", {}, count(pictures, "picture")),
    h("button", { type: "button", className: "grid-stop", on: { click: cancelAll } }, "Cancel", h("kbd", {}, "Esc")),
    h("button", { type: "button", on: { click: chooseAll } }, "Choose all"));
  const rows = cells.map((cell) => row(cell, cell.jobs.map((job) => jobs.get(job)).filter(Boolean)));
  const stage = at("grid-stage");
  stage.dataset.list = "grid";
  stage.replaceChildren(head, h("p", { className: "hint" }, "Choose the good ones, then finish them below: the same seed at full quality."), h("div", { className: widest(cells, jobs) > 1 ? "matrix" : "matrix single" }, ...rows));
}

const widest = (cells, jobs) =>
  Math.max(...cells.map((cell) => cell.jobs.reduce((sum, job) => sum + (jobs.get(job)?.images ?? 0), 0)));

function row(cell, jobs) {
  const notes = [cell.style, cell.preset].filter(Boolean).join(" · ");
  const title = cell.slots.length ? cell.slots.join(" · ") : cell.prompt;
  return h("section", { className: "grid-row" },
    h("h2", { title: cell.prompt }, title, h("small", {}, notes)), h("div", { className: "tiles" }, ...jobs.flatMap((job) => places(job, tools))));
}

/** A picture of the grid can be finished or rolled again in its place. */
function tools(asset, figure) {
  return [
    isDraft(asset) ? tool("Finish", "Finish: the same picture at full quality", () => replace(asset, figure, { preset: "final" })) : null,
    tool("Re-roll", "Draw this cell again with another seed", () => replace(asset, figure, { seed: Math.floor(Math.random() * 2 ** 32) })),
    tool("More", "More like this", () => moreLike([asset])),
  ].filter(Boolean);
}

async function replace(asset, figure, changes) {
  const job = await again(asset, changes);
  if (!job) return;
  chosen.set(asset, false);
  figure.replaceWith(slot(job, 0, { tools }));
}

async function finishAll(assets) {
  const drafts = assets.filter(isDraft);
  chosen.clear();
  for (const asset of drafts) {
    const figure = document.querySelector(`.view:not([hidden]) .tile[data-asset="${asset.id}"]`);
    if (document.body.dataset.view === "variations" && figure) await replace(asset, figure, { preset: "final", priority: "batch" });
    else if (!await again(asset, { preset: "final", priority: "batch" })) return;
  }
  toast(`${count(drafts.length, "picture")} will be finished with the same seed.`);
}

/** What finishing will take: as long for each as for the first. */
async function finishPlan(assets) {
  const drafts = assets.filter(isDraft);
  const { prompt, model, width, height } = drafts[0];
  const plan = await post("plan", { prompt, model, size: `${width}x${height}`, preset: "final" });
  return `${drafts.length} · about ${seconds(drafts.length * plan.seconds)} · ${money(drafts.length * plan.cost, plan.currency)}`;
}

async function moreLike(assets) {
  let jobs = 0;
  for (const asset of assets) if (await again(asset, { strength: 0.6, count: 2, priority: "batch" })) jobs++;
  chosen.clear();
  if (jobs) toast(`${count(2 * jobs, "picture")} like these will be in the library.`, { action: ["Queue", () => { location.hash = "#queue"; }] });
}

function chooseAll() {
  for (const figure of at("grid-stage").querySelectorAll(".tile")) if (figure.asset) chosen.set(figure.asset, true);
}

/** Cancels what is open of the grid; true if there was something. */
export function cancelAll() {
  const running = [...at("grid-stage").querySelectorAll(".tile.developing:not(.failed)")].map((figure) => figure.dataset.job);
  const ids = new Set(running);
  ids.forEach(cancel);
  return ids.size > 0;
}

function showEmpty() {
  at("grid-stage").replaceChildren(empty("Many at once, then the best in full",
    "Put choices into braces, such as {red|blue} {car|bike}. The button says how many pictures that makes, how long they take and what they cost."));
}

/** Earlier grids, by their first prompt. */
async function loadPast() {
  const { jobs } = await get("jobs?limit=200").catch(() => ({ jobs: [] }));
  const batches = new Map();
  for (const job of jobs.filter((job) => job.batch)) {
    const known = batches.get(job.batch) ?? { made: job.created_ms, pictures: 0, prompt: "" };
    batches.set(job.batch, { made: Math.min(known.made, job.created_ms), pictures: known.pictures + job.images, prompt: job.request.prompt });
  }
  const item = ([id, { made, pictures, prompt }]) => [id, `${prompt.slice(0, 40)} · ${pictures} · ${when(made)}`];
  fill(at("grid-past"), [["", batches.size ? "Choose one…" : "None yet"], ...[...batches].map(item)], batch ?? "");
}

async function showBatch(id) {
  try {
    const { jobs } = await get(`jobs?batch=${id}&limit=200`);
    const whole = await Promise.all(jobs.reverse().map((job) => get(`jobs/${job.id}`)));
    show(id, cellsOf(whole), new Map(whole.map((job) => [job.id, job])));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function cellsOf(jobs) {
  const cells = new Map();
  for (const job of jobs) {
    const key = JSON.stringify([job.label, job.request.prompt]);
    if (!cells.has(key)) cells.set(key, { slots: [], style: null, preset: null, ...job.label, prompt: job.request.prompt, jobs: [] });
    cells.get(key).jobs.push(job.id);
  }
  return [...cells.values()];
}

export function enter() {
  loadPast();
}
