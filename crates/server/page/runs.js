// A job on the Create page: its words, how far it is, its pictures, and the way to stop it.

import { on, remove } from "./api.js";
import { at, h, toast } from "./dom.js";
import { again, blank, places, tool } from "./tiles.js";
import { count, money, seconds } from "./words.js";
import { known } from "./state.js";

/** Runs on the page, by job. */
const runs = new Map();

/** Shows a job at the top of the stage. */
export function showRun(job, title = job.request.prompt) {
  const bar = h("progress", { max: 1, value: job.progress, aria: { label: "Progress" } });
  const note = h("span", { className: "note" }, job.state === "queued" ? "waiting" : "");
  const stop = h("button", { type: "button", className: "stop", on: { click: () => cancel(job.id) } }, "Cancel", h("kbd", {}, "Esc"));
  const tiles = h("div", { className: "tiles", data: { list: "run", count: String(Math.min(job.images, 9)) } }, ...pictures(job));
  const element = h("article", { className: "run", data: { job: job.id } },
    h("header", {}, h("h2", { title }, title || "anything"), note, stop), bar, tiles);
  runs.set(job.id, { job, element, bar, note, stop });
  at("stage").querySelector(".empty")?.remove();
  at("stage").prepend(element);
  paint(job);
  return element;
}

/** A run before the server has taken it: its pictures have their places at once. Gives what ends it. */
export function announce(request) {
  const shape = { request, images: Math.min(Math.max(request.count, 1), 64), state: "queued" };
  const tiles = Array.from({ length: shape.images }, () => blank(shape));
  const element = h("article", { className: "run" },
    h("header", {}, h("h2", {}, request.prompt || "anything"), h("span", { className: "note" }, "asking")),
    h("progress", { max: 1, value: 0, aria: { label: "Progress" } }),
    h("div", { className: "tiles", data: { count: String(Math.min(shape.images, 9)) } }, ...tiles));
  at("stage").querySelector(".empty")?.remove();
  at("stage").prepend(element);
  return () => element.remove();
}

const pictures = (job) => places(job, tools);

/** What can be done with a picture: finish it, make more like it, roll again. */
export function tools(asset) {
  const run = async (changes) => { const job = await again(asset, changes); if (job) showRun(job); };
  const roll = () => run({ seed: Math.floor(Math.random() * 2 ** 32) });
  return [
    isDraft(asset) ? tool("Finish", "Finish: the same picture at full quality", () => run({ preset: "final" })) : null,
    tool("More", "More like this", () => run({ strength: 0.6, count: 4 })),
    tool("Again", "Again with another seed", roll),
  ];
}

export const isDraft = (asset) => (asset.recipe?.steps ?? 0) > 0 && asset.recipe.steps < 25;

export async function cancel(id) {
  const element = runs.get(id)?.element;
  element?.classList.add("stopping");
  try {
    await remove(`jobs/${id}`);
  } catch (error) {
    element?.classList.remove("stopping");
    toast(error.message, { bad: true });
  }
}

/** Cancels the newest run that is not over; true if there was one. */
export function cancelNewest() {
  const open = [...runs.values()].filter(({ job }) => job.state === "queued" || job.state === "running");
  if (open.length) cancel(open.at(-1).job.id);
  return open.length > 0;
}

function paint(job) {
  const run = runs.get(job.id);
  if (!run) return;
  run.job = job;
  const over = !["queued", "running"].includes(job.state);
  run.element.classList.toggle("over", over);
  run.stop.hidden = over;
  run.element.dataset.state = job.state;
  run.note.textContent = words(job);
  if (!over) run.bar.value = job.progress;
}

function words(job) {
  if (job.state === "queued") return job.position ? `${count(job.position, "job")} before it` : "waiting";
  if (job.state === "running") return job.eta_seconds ? `${seconds(job.eta_seconds)} left` : "starting";
  if (job.state === "failed") return job.error ?? "failed";
  if (job.state === "cancelled") return "cancelled";
  return [seconds(job.seconds), money(job.cost, known.settings.currency), `${job.request.steps ? `${job.request.steps} steps` : job.request.preset}`].filter(Boolean).join(" · ");
}

on("job", paint);
on("done", paint);
on("progress", (progress) => {
  const run = runs.get(progress.job);
  if (!run) return;
  run.bar.value = progress.progress;
  run.note.textContent = progress.eta_seconds ? `${seconds(progress.eta_seconds)} left` : `step ${progress.step} of ${progress.steps}`;
});
