// Setting a bake-off up: prompts with their kinds, contestants, and what drawing will take.

import { get, post, upload } from "./api.js";
import { fill, h, showError, toast } from "./dom.js";
import { planned } from "./plan.js";
import { offerNew, projectOf } from "./projects.js";
import { channels } from "./sizes.js";
import { known, model, modelItems, projectItems } from "./state.js";
import { count, money, presetName, seconds } from "./words.js";

const KINDS = ["photoreal", "stylised", "illustration"];
const PROMPTS = 6;

/** Contestants that stand there first, where models are compared. */
const CONTESTANTS = 4;

/** Shows the form, for a campaign or (null) by itself; `leave` is called when it is done or given up. */
export async function setup(campaign, place, leave) {
  const words = campaign ? await ofCampaign(campaign) : await ofLibrary();
  const frame = campaign ? { element: null, read: () => ({ campaign: campaign.id, size: campaign.brief.size ?? null }) } : sizeAndProject();
  const prompts = h("div", {});
  const contestants = h("div", {});
  const name = h("input", { id: "bakeoff-name", name: "name", maxLength: 100, value: campaign ? `${campaign.name}: which model?` : "", placeholder: "Product pictures: which model?" });
  // What the plan doubts is not what the server refused: neither takes the other's words away.
  const doubts = h("div", {}, error(""));
  const submit = h("button", { type: "submit", className: "primary big" }, h("b", {}, "Draw the bake-off"), h("span"));
  const form = h("form", { className: "bakeoff-form", noValidate: true, autocomplete: "off" },
    h("div", { className: "field" }, h("label", { htmlFor: "bakeoff-name" }, "Name"), name, error("name")),
    frame.element,
    h("h2", {}, "Prompts"), error("prompts"), prompts,
    h("div", { className: "buttons" }, button("Add a prompt", () => add(prompts, promptRow("")))),
    h("h2", {}, "Contestants"), h("p", { className: "hint" }, "All draw the same prompts with the same seeds. Names stay hidden while you vote."), error("contestants"), contestants,
    h("div", { className: "buttons" }, button("Add a model", () => add(contestants, drawnRow("standard"))), button("Add pictures from outside", () => add(contestants, outsideRow()))),
    error(""), error("campaign"), campaign ? error("size") : null, doubts,
    h("div", { className: "buttons" }, submit, button("Not now", leave)));
  const changed = () => { number(); showError(form, null); plan(); };
  function add(list, row) {
    row.append(h("button", { type: "button", className: "icon", aria: { label: "Remove" }, on: { click: () => { row.remove(); changed(); } } }, "×"), h("p", { className: "error", role: "alert" }));
    list.append(row);
    changed();
  }
  /** Fields are named as the server names them, by their place. */
  function number() {
    for (const [list, at] of [[prompts, "prompts"], [contestants, "contestants"]]) {
      [...list.children].forEach((row, i) => {
        for (const input of row.querySelectorAll("[data-field]")) input.name = `${at}[${i}].${input.dataset.field}`;
        row.querySelector(".error").dataset.error = `${at}[${i}]`;
      });
    }
  }
  const estimate = planned(submit.querySelector("span"), doubts, async (request) => {
    const drawn = request.contestants.filter((one) => one.model);
    const longest = request.prompts.map(({ prompt }) => prompt).sort((a, b) => b.length - a.length)[0] ?? "";
    if (!longest) return "said once there is a prompt";
    const plans = await Promise.all(drawn.map((one) => post("plan", { prompt: longest, model: one.model, preset: one.preset, size: request.size })));
    const [time, cost] = ["seconds", "cost"].map((key) => plans.reduce((sum, one) => sum + one[key], 0) * request.prompts.length);
    return `${count(drawn.length * request.prompts.length, "picture")} · about ${seconds(time)} · ${money(cost, known.settings.currency)}`;
  });
  const plan = () => estimate(read(prompts, contestants, name, frame));
  form.addEventListener("input", changed);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const request = read(prompts, contestants, name, frame);
      await uploaded(contestants, request);
      const made = await post("bakeoffs", request);
      toast(`${made.name}: ${count(made.waiting, "picture")} to draw`);
      leave();
    } catch (problem) {
      showError(form, near(problem));
    } finally {
      submit.disabled = false;
    }
  });
  place.replaceChildren(form);
  words.forEach((prompt) => add(prompts, promptRow(prompt)));
  const models = modelItems().slice(0, CONTESTANTS);
  if (campaign || models.length < 2) ["draft", "final"].forEach((preset) => add(contestants, drawnRow(preset)));
  else models.forEach(([one]) => add(contestants, drawnRow("final", one)));
  if (!campaign) name.focus();
}

/** Words to begin with: of the first rows of a campaign. */
async function ofCampaign(campaign) {
  const { rows } = await get(`campaigns/${campaign.id}/rows?limit=${PROMPTS}`).catch(() => ({ rows: [] }));
  return rows.length ? rows.map((row) => row.prompt) : [campaign.brief.prompt ?? ""];
}

/** Without a campaign, those of the best rated pictures: they are of the kind that somebody needs. */
async function ofLibrary() {
  const { assets } = await get("assets?sort=rating&limit=60").catch(() => ({ assets: [] }));
  const found = [...new Set(assets.map(({ prompt }) => prompt).filter(Boolean))].slice(0, PROMPTS);
  return found.length ? found : [""];
}

/** What a campaign's brief would say. */
function sizeAndProject() {
  const shape = h("select", { id: "bakeoff-shape" });
  fill(shape, [["", "Each model's usual size"], ...channels(model("default")).slice(1)]);
  const size = h("input", { id: "bakeoff-size", name: "size", maxLength: 20, placeholder: "512x512" });
  const sizeField = h("div", { className: "field grow", hidden: true }, h("label", { htmlFor: "bakeoff-size" }, "Size, width × height in pixels"), size);
  const project = h("select", { id: "bakeoff-project", name: "project" });
  fill(project, [...projectItems(), ["new", "New project…"]]);
  offerNew(project);
  shape.addEventListener("change", () => { sizeField.hidden = shape.value !== "custom"; });
  const element = h("div", {},
    h("div", { className: "row" },
      h("div", { className: "field grow" }, h("label", { htmlFor: "bakeoff-shape" }, "For"), shape), sizeField,
      h("div", { className: "field grow" }, h("label", { htmlFor: "bakeoff-project" }, "Project"), project)),
    error("size"), error("project"));
  const chosen = () => (shape.value === "custom" ? size.value.trim() : shape.value.split("|")[1]) || null;
  return { element, read: () => ({ size: chosen(), project: projectOf(project) }) };
}

const button = (title, click) => h("button", { type: "button", on: { click } }, title);
const error = (field) => h("p", { className: "error", role: "alert", data: { error: field } });

/** An error of a field of a row stands under the row. */
function near(problem) {
  const row = /^(prompts|contestants)\[\d+\]/.exec(problem.field ?? "");
  if (!row) return problem;
  return Object.assign(problem, { message: `${problem.field.slice(row[0].length + 1).replaceAll("_", " ")}: ${problem.message}`, field: row[0] });
}

let made = 0;

function labelled(title, input) {
  made += 1;
  input.id = `bakeoff-field-${made}`;
  return h("div", { className: "field" }, h("label", { htmlFor: input.id }, title), input);
}

const select = (field, items, chosen) => h("select", { data: { field } }, ...items.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
const input = (field, value, more = {}) => h("input", { value, data: { field }, ...more });

function promptRow(prompt) {
  return h("div", { className: "bakeoff-row prompt" }, labelled("Kind of asset", select("kind", KINDS.map((kind) => [kind, kind]), KINDS[0])), labelled("Prompt", input("prompt", prompt, { maxLength: 32768, placeholder: "a pair of running shoes on a wet street" })));
}

function drawnRow(preset, name = "default") {
  const presets = (name) => model(name).presets.map((one) => [one, presetName(one)]);
  const models = select("model", modelItems(), model(name).name);
  const steps = select("preset", presets(models.value), preset);
  const title = input("name", "", { maxLength: 60 });
  const call = () => { title.value = `${models.value}, ${presetName(steps.value)}`; };
  models.addEventListener("change", () => { steps.replaceChildren(...select("preset", presets(models.value), steps.value).children); call(); });
  steps.addEventListener("change", call);
  call();
  return h("div", { className: "bakeoff-row contestant", data: { kind: "drawn" } }, labelled("Name, hidden from voters", title), labelled("Model", models), labelled("Preset", steps));
}

function outsideRow() {
  return h("div", { className: "bakeoff-row contestant", data: { kind: "outside" } },
    labelled("Name, hidden from voters", input("name", "", { maxLength: 60, placeholder: "somebody's model" })),
    labelled("Pictures, one for each prompt in their order", input("pictures", "", { type: "file", multiple: true, accept: "image/png,image/jpeg,image/webp" })),
    labelled("Seconds a picture", input("seconds", "", { inputMode: "decimal", placeholder: "8" })), labelled(`Cost of a picture, ${known.settings.currency}`, input("cost", "", { inputMode: "decimal", placeholder: "0.04" })));
}

/** The request as the fields say it; pictures from outside are not uploaded yet. */
function read(prompts, contestants, name, frame) {
  const value = (row, field) => row.querySelector(`[data-field="${field}"]`).value.trim();
  const decimal = (text) => text.replace(",", ".");
  const one = (row) => {
    if (row.dataset.kind === "drawn") return { name: value(row, "name"), model: value(row, "model"), preset: value(row, "preset") };
    const taken = decimal(value(row, "seconds"));
    return { name: value(row, "name"), pictures: [], seconds: taken === "" ? null : Number(taken), cost: { amount: decimal(value(row, "cost")), currency: known.settings.currency } };
  };
  return {
    name: name.value.trim(), ...frame.read(),
    prompts: [...prompts.children].map((row) => ({ kind: value(row, "kind"), prompt: value(row, "prompt") })),
    contestants: [...contestants.children].map(one),
  };
}

async function uploaded(contestants, request) {
  for (const [i, row] of [...contestants.children].entries()) {
    if (row.dataset.kind !== "outside") continue;
    const files = [...row.querySelector('[data-field="pictures"]').files];
    if (files.length !== request.prompts.length) throw Object.assign(new Error(`${count(files.length, "picture")} for ${count(request.prompts.length, "prompt")}: one for each, in their order`), { field: `contestants[${i}].pictures` });
    for (const file of files) request.contestants[i].pictures.push((await upload("uploads", file)).id);
  }
}
