// What every view needs to know: models, styles, projects, prices. Read once, told again when it changes.

import { get, post, put } from "./api.js";

export const known = { models: [], styles: [], projects: [], settings: { price_per_hour: 0, currency: "EUR" } };
const changed = new EventTarget();

/** Calls `work` now and whenever the named part changes. */
export function watch(part, work) {
  work(known[part]);
  changed.addEventListener(part, () => work(known[part]));
}

function set(part, value) {
  known[part] = value;
  changed.dispatchEvent(new Event(part));
}

export async function load() {
  const parts = ["models", "styles", "projects", "settings"];
  const values = await Promise.all(parts.map((part) => get(part)));
  parts.forEach((part, i) => set(part, values[i]));
}

export const reloadModels = async () => set("models", await get("models"));
export const reloadProjects = async () => set("projects", await get("projects"));
export const saveSettings = async (settings) => set("settings", await put("settings", settings));

export async function addProject(name) {
  const project = await post("projects", { name });
  await reloadProjects();
  return project;
}

/** A usable model by name; the first one otherwise. */
export const model = (name) => {
  const usable = known.models.filter((one) => one.usable);
  return usable.find((one) => one.name === name) ?? usable[0] ?? { name: "default", presets: ["draft", "standard", "final"], samplers: [], schedules: [] };
};

export const modelItems = () => known.models.filter((one) => one.usable).map(({ name }) => [name, name]);
export const projectItems = () => known.projects.map(({ id, name }) => [id, name]);

/** What the page remembers between visits. */
export const kept = {
  get(name, usual) {
    try { return JSON.parse(localStorage.getItem(`calotype.${name}`)) ?? usual; } catch { return usual; }
  },
  set(name, value) {
    try { localStorage.setItem(`calotype.${name}`, JSON.stringify(value)); } catch { /* a private window keeps nothing */ }
  },
};
