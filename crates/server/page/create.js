// The Create page: words to a job, with what it will take said before it is queued.

import { get, on, post, postOnce, upload, picture, ApiError } from "./api.js";
import { at, checked, choices, fill, h, showError } from "./dom.js";
import { kept, known, model, modelItems, watch } from "./state.js";
import { planned } from "./plan.js";
import { projectChoice, projectOf } from "./projects.js";
import { announce, cancelNewest, showRun } from "./runs.js";
import { channels, proportion } from "./sizes.js";
import { setUsualSize } from "./tiles.js";
import { bytes, count, money, presets, seconds } from "./words.js";
import { showTokens } from "./tokens.js";

const form = at("create-form");
const EXAMPLES = ["a red fox", "a blue car", "a cup of coffee", "a green tree", "a yellow sun"];
let start = null;

/** Prepares the page. */
export function setUp() {
  const last = kept.get("create", {});
  for (const name of ["prompt", "count", "negative"]) if (last[name]) form.elements[name].value = last[name];
  watch("styles", (styles) => choices(at("styles"), "radio", "style", [["", "None"], ...styles.map((style) => [style, style])], [last.style ?? ""]));
  watch("models", (models) => { if (models.length) { modelsChanged(kept.get("create", {})); changed(); } });
  projectChoice(at("project"), last.project);
  watch("settings", () => { if (known.models.length) changed(); });
  form.addEventListener("input", changed);
  form.addEventListener("change", edited);
  form.addEventListener("submit", (event) => (event.preventDefault(), generate()));
  at("start-file").addEventListener("change", () => takeFile(at("start-file").files[0]));
  dropOn(at("start"));
}

function modelsChanged(last = {}) {
  fill(at("model"), modelItems(), last.model);
  modelChanged(last);
}

function modelChanged(last = {}) {
  const now = model(at("model").value);
  setUsualSize(now.default_size);
  const usual = [last.preset, checked(at("presets"))[0], "standard"].find((name) => now.presets.includes(name));
  choices(at("presets"), "radio", "preset", presets(now), [usual ?? now.presets[0]]);
  fill(at("channel"), channels(now), last.channel ?? at("channel").value);
  fill(at("sampler"), [["", "Usual"], ...now.samplers.map((name) => [name, name])]);
  fill(at("schedule"), [["", "Usual"], ...now.schedules.map((name) => [name, name])]);
}

function edited(event) {
  if (event.target.id === "model") modelChanged();
  changed();
}

const number = (value) => (String(value).trim() === "" ? undefined : Number(value));

/** The job as the fields say it. */
export function request() {
  const field = Object.fromEntries(new FormData(form));
  const style = field.style ? `, ${field.style}` : "";
  const prompt = field.prompt.trim();
  const size = field.channel === "custom" ? field.size.trim() : field.channel?.split("|")[1];
  const job = {
    prompt: prompt ? prompt + style : field.style ?? "", preset: field.preset, count: number(field.count) ?? 1,
    size: size || undefined, model: field.model || undefined, project: projectOf(at("project")),
    negative: field.negative || undefined, seed: seed(field.seed), steps: number(field.steps),
    guidance: number(field.guidance), sampler: field.sampler || undefined, schedule: field.schedule || undefined,
  };
  if (start) Object.assign(job, { start: start.id, strength: Number(field.strength) });
  return JSON.parse(JSON.stringify(job));
}

function seed(text) {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text.trim();
}

function check(job) {
  const refuse = (field, message) => { throw new ApiError(400, { code: "invalid_field", field, message }); };
  if (typeof job.seed === "string" || job.seed < 0) refuse("seed", "must be a whole number from 0 to 9007199254740991, or empty");
  if (job.size !== undefined && !/^\d+x\d+$/i.test(job.size)) refuse("size", "write it as width x height, such as 512x512");
  if (!Number.isInteger(job.count)) refuse("count", "must be a whole number from 1 to 64");
  if (job.steps !== undefined && !Number.isInteger(job.steps)) refuse("steps", "must be a whole number from 1 to 200");
}

function changed() {
  at("size-field").hidden = at("channel").value !== "custom";
  at("channel-note").hidden = !isFitted(at("channel").value);
  at("strength-field").hidden = !start;
  at("strength-value").textContent = Number(at("strength").value).toFixed(2);
  const job = request();
  at("generate-label").textContent = Number.isInteger(job.count) ? `Generate ${count(job.count, "picture")}` : "Generate";
  const { prompt, style, preset, channel, negative, model, project } = Object.fromEntries(new FormData(form));
  kept.set("create", { prompt, style, preset, channel, negative, model, project, count: job.count });
  showTokens(job.prompt, job.model);
  plan(job);
}

const isFitted = (channel) =>
  model(at("model").value).family === "jit" && channel.includes("|") && proportion(channel.split("|")[1]) !== 1;

const plan = planned(at("generate-plan"), form, async (job) => {
  check(job);
  const found = await post("plan", job);
  return [`about ${seconds(found.seconds)}`, bytes(found.peak_memory_bytes), money(found.cost, found.currency), found.waiting ? `${count(found.waiting, "job")} waiting` : ""].filter(Boolean).join(" · ");
});

let sending = false;
/** Queues the job. */
export async function generate() {
  if (sending) return;
  sending = true;
  let settle = () => {};
  try {
    const job = request();
    check(job);
    performance.clearMarks();
    performance.mark("pressed");
    settle = announce(job);
    if (matchMedia("(max-width: 860px)").matches) at("stage").scrollIntoView({ behavior: "smooth", block: "start" });
    const made = await postOnce("jobs", job);
    settle();
    showRun(made);
    showError(form, null);
  } catch (error) {
    settle();
    if (!at("stage").childElementCount) showEmpty();
    showError(form, error);
    form.querySelector("[aria-invalid]")?.focus();
  } finally {
    sending = false;
  }
}

/** Takes over the settings of a picture or job. */
export function use(job, own = {}) {
  const words = { ...job, ...own };
  const style = known.styles.find((style) => words.prompt?.endsWith(`, ${style}`)) ?? "";
  const set = (name, value) => { form.elements[name].value = value ?? ""; };
  set("model", model(words.model).name);
  modelChanged();
  set("prompt", style ? words.prompt.slice(0, -style.length - 2) : words.prompt);
  set("style", style);
  if (words.preset) set("preset", words.preset);
  if (words.project) at("project").value = words.project;
  for (const name of ["negative", "seed", "steps", "guidance", "sampler", "schedule"]) set(name, words[name]);
  set("count", words.count ?? 1);
  // The seed is part of what was taken over: it should be seen.
  at("create-more").open = true;
  const known_size = [...at("channel").options].find((option) => option.value.endsWith(`|${words.size}`));
  at("channel").value = known_size?.value ?? (words.size ? "custom" : at("channel").options[0].value);
  if (words.size && !known_size) at("size").value = words.size;
  setStart(null);
  changed();
}

async function takeFile(file) {
  if (!file) return;
  try {
    setStart(await upload("uploads", file));
  } catch (error) {
    showError(form, new ApiError(error.status, { ...error, field: "start", message: error.message }));
  }
}

/** Chooses the picture to start from, or none, and how far to go from it. */
export function setStart(asset, strength = null) {
  start = asset;
  if (strength !== null) at("strength").value = strength;
  const input = at("start-file");
  const shown = asset
    ? [h("img", { src: picture(asset, { width: 128 }), alt: "The picture to start from", width: 56, height: 56 }),
      h("button", { type: "button", className: "quiet", on: { click: () => setStart(null) } }, "Remove")]
    : [];
  if (!asset) input.value = "";
  at("start").replaceChildren(...shown, input);
  input.hidden = Boolean(asset);
  if (asset) at("create-more").open = true;
  changed();
}

function dropOn(place) {
  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    takeFile(event.dataTransfer.files[0]);
  });
}

function showEmpty() {
  if (at("stage").childElementCount) return;
  const example = (text) =>
    h("button", { type: "button", className: "chip-button", on: { click: () => { at("prompt").value = text; changed(); generate(); } } }, text);
  at("stage").append(h("div", { className: "empty" },
    h("h2", {}, "Say what you would like to see"),
    h("p", {}, "Write it on the left and press Generate, or begin with one of these."),
    h("div", { className: "examples" }, ...EXAMPLES.map(example))));
}

/** Shows jobs that are still open and the newest ones that are done, after a reload. */
export async function restore() {
  const { jobs } = await get("jobs?limit=20");
  const own = jobs.filter((job) => !job.batch && job.source === "native" && job.priority === "interactive" && (job.state === "done" || job.state === "queued" || job.state === "running"));
  const whole = await Promise.all(own.slice(0, 4).map((job) => get(`jobs/${job.id}`)));
  whole.reverse().forEach((job) => showRun(job));
  showEmpty();
}

export const shortcuts = { generate, cancelNewest };
on("online", (online) => { if (online && at("generate-plan").classList.contains("old")) changed(); });
