// What runs, what waits, what was; which models are installed.

import { get, on } from "./api.js";
import { at, calm, empty, h, toast } from "./dom.js";
import { cancel } from "./runs.js";
import { known, reloadModels, watch } from "./state.js";
import { count, money, seconds, when } from "./words.js";
import * as inspect from "./inspect.js";

export function setUp() {
  watch("models", paintModels);
  inspect.setUp();
}

const isShown = () => document.body.dataset.view === "queue";

async function show() {
  if (!isShown()) return;
  try {
    const [queue, past] = await Promise.all([get("queue"), get("jobs?limit=30")]);
    paint(queue);
    paintPast(past.jobs.filter((job) => !["queued", "running"].includes(job.state)));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function paint({ running, progress, waiting, max_waiting }) {
  const rows = [running && row(running, progress), ...waiting.map((job) => row(job))].filter(Boolean);
  const nothing = empty("Nothing runs and nothing waits", "Jobs of this page and of programs appear here.", h("a", { className: "button", href: "#create" }, "Create"));
  nothing.classList.add("small");
  at("queue-now").replaceChildren(
    h("p", { className: "lead" }, `${running ? "1 job runs" : "No job runs"}, ${count(waiting.length, "job")} of at most ${max_waiting} waiting.`),
    rows.length ? h("div", { className: "card" }, ...rows) : nothing);
}

const STATES = { running: "draws", queued: "waits", done: "done", failed: "failed", cancelled: "cancelled" };
const KINDS = { failed: "bad", done: "good" };

function row(job, progress = null) {
  const open = ["queued", "running"].includes(job.state);
  const facts = [count(job.images, "picture"), job.request.steps ? count(job.request.steps, "step") : job.request.preset, job.source, job.priority === "batch" ? "batch" : "", job.attempts > 1 ? `attempt ${job.attempts}` : "", time(job), job.error ?? ""];
  return h("div", { className: "job", data: { job: job.id } },
    h("div", { className: "words" }, job.request.prompt || "anything", h("p", { className: "hint" }, facts.filter(Boolean).join(" · "))),
    h("span", { className: `tag ${KINDS[job.state] ?? ""}` }, STATES[job.state] ?? job.state),
    open ? h("button", { type: "button", aria: { label: `Cancel: ${job.request.prompt}` }, on: { click: () => cancel(job.id).then(show) } }, "Cancel") : h("span", {}, when(job.finished_ms ?? job.created_ms)),
    progress ? h("progress", { max: 1, value: progress.progress, aria: { label: "Progress" } }) : null);
}

const time = (job) => {
  if (job.eta_seconds) return `${seconds(job.eta_seconds)} left`;
  return job.seconds ? `${seconds(job.seconds)}, ${money(job.cost, known.settings.currency)}` : "";
};

function paintPast(jobs) {
  const nothing = h("p", { className: "hint" }, "No job has ended yet.");
  at("queue-past").replaceChildren(jobs.length ? h("div", { className: "card" }, ...jobs.slice(0, 12).map((job) => row(job))) : nothing);
}

function paintModels(models) {
  const fact = ([name, value]) => [h("dt", {}, name), h("dd", {}, value)];
  const card = (model) => {
    const facts = model.usable
      ? [["kind", FAMILIES[model.family] ?? model.family], ["size", model.default_size?.replace("x", " × ")], ["background", model.transparent ? "transparent" : "opaque"], ["samplers", model.samplers.join(", ")], ["presets", model.presets.join(", ")]]
      : [["problem", model.problem]];
    return h("div", { className: "card" }, h("h3", {}, model.name, " ", h("span", { className: `tag ${model.usable ? "good" : "bad"}` }, model.usable ? "ready" : "cannot be used")), h("dl", { className: "facts" }, ...facts.flatMap(fact)));
  };
  at("models").replaceChildren(h("div", { className: "cards" }, ...models.map(card)),
    h("p", { className: "hint" }, "More models: put .safetensors files or diffusers folders into the folder models of the server's data folder, then open this page again."));
}

const FAMILIES = { jit: "Calotype's own", sd1: "Stable Diffusion 1.x", sd2: "Stable Diffusion 2.x", sdxl: "Stable Diffusion XL", sdxl_refiner: "SDXL refiner" };

export function enter() {
  show();
  reloadModels().catch(() => {});
}

const soon = calm(show, 150);
for (const name of ["job", "done"]) on(name, soon);
on("progress", ({ job, progress }) => {
  const bar = isShown() && at("queue-now").querySelector(`[data-job="${job}"] progress`);
  if (bar) bar.value = progress; else soon();
});
