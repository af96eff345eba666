// What a dropped file is. Of a model only the header is sent.

import { upload } from "./api.js";
import { at, h, toast } from "./dom.js";
import { use } from "./create.js";
import { bytes } from "./words.js";

/** Longest header that is sent; longest file that is sent whole. */
const MOST = 100_000_000;
const WHOLE = 50_000_000;

export function setUp() {
  const drop = at("drop");
  at("drop-file").addEventListener("change", () => look(at("drop-file").files[0]));
  drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    look(event.dataTransfer.files[0]);
  });
}

/** As much of a file as says what it is. */
async function beginning(file) {
  if (file.type.startsWith("image/")) return file.slice(0, WHOLE);
  const view = new DataView(await file.slice(0, 8).arrayBuffer());
  const header = view.byteLength === 8 ? Number(view.getBigUint64(0, true)) : 0;
  return file.slice(0, header < MOST ? header + 8 : 65536);
}

async function look(file) {
  if (!file) return;
  try {
    const part = new Blob([await beginning(file)], { type: "application/octet-stream" });
    const query = new URLSearchParams({ name: file.name, size: file.size });
    paint(file, await upload(`inspect?${query}`, part));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

const KINDS = { model: ["a model", "good"], part: ["a part of a model", ""], lora: ["a LoRA", ""], picture: ["a picture", "good"], unknown: ["not known", "bad"] };

function paint(file, found) {
  const [kind, tone] = KINDS[found.kind] ?? [found.kind, ""];
  const part = ({ role, title, parameters, precision, misfit }) =>
    [h("dt", {}, role), h("dd", {}, [title, `${(parameters / 1e6).toFixed(1)} M parameters`, precision, misfit].filter(Boolean).join(", "))];
  at("inspected").replaceChildren(h("div", { className: "card" },
    h("h3", {}, file.name, " ", h("span", { className: `tag ${tone}` }, kind)),
    h("p", {}, `${found.title} · ${bytes(file.size)}`),
    found.problem ? h("p", { className: "error" }, found.problem) : null,
    found.missing.length ? h("p", {}, `Missing: ${found.missing.join(", ")}.`) : null,
    h("dl", { className: "facts" }, ...found.parts.flatMap(part)),
    ...recipe(found)));
}

function recipe(found) {
  if (!found.recipe) return found.parameters ? [h("p", { className: "hint" }, found.parameters)] : [];
  const settings = () => {
    const { prompt, negative, seed, steps, guidance, sampler, schedule, size, model } = found.recipe;
    use({ prompt, negative, seed, steps, guidance, sampler, schedule, size, model });
    location.hash = "#create";
  };
  const row = ([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))];
  return [h("dl", { className: "facts" }, ...Object.entries(found.recipe).flatMap(row)),
    h("div", { className: "buttons" }, h("button", { type: "button", className: "primary", on: { click: settings } }, "Use these settings"))];
}
