// One picture in full: marks, recipe, versions, look-alikes, downloads, and what can be made of it.

import { get, picture } from "./api.js";
import { at, fill, h, toast } from "./dom.js";
import { chosen, removeAll } from "./chosen.js";
import { again, change, heart, opener } from "./tiles.js";
import { isDraft, showRun } from "./runs.js";
import { known, projectItems } from "./state.js";
import { setStart, use } from "./create.js";
import { openMask } from "./mask.js";
import { offerNew } from "./projects.js";
import { bytes, money, seconds, when } from "./words.js";
import { compare } from "./compare.js";

const dialog = at("detail");
let list = [];
let now = null;

opener.open = (asset, others) => {
  list = others;
  show(asset);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};

/** Opens a picture by its id. */
export async function openById(id) {
  try {
    opener.open(await get(`assets/${id}`), []);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function show(asset) {
  now = asset;
  dialog.replaceChildren(
    h("div", { className: "detail-picture" },
      h("img", { src: picture(asset), alt: asset.prompt, width: asset.width, height: asset.height, css: { "aspect-ratio": `${asset.width} / ${asset.height}` } }),
      step(-1, "‹", "Previous picture"), step(1, "›", "Next picture")),
    h("div", { className: "detail-side" }, ...side(asset)));
  history.replaceState(null, "", `#library/${asset.id}`);
  relatives(asset);
  if (asset.seconds === null && asset.kind === "image") complete(asset);
}

/** What a picture took is known when its job is over. */
async function complete(asset) {
  const whole = await get(`assets/${asset.id}`).catch(() => null);
  if (whole?.seconds === null || whole === null || now !== asset) return;
  Object.assign(asset, whole);
  dialog.querySelector(".facts-line").textContent = facts(asset);
}

const facts = (asset) =>
  [when(asset.created_ms), `${asset.width} × ${asset.height}`, bytes(asset.bytes), seconds(asset.seconds),
    asset.seconds ? money(asset.cost, known.settings.currency) : ""].filter(Boolean).join(" · ");

function step(by, sign, label) {
  const at = list.findIndex((one) => one.id === now.id);
  const other = at < 0 ? null : list[at + by];
  return h("button", { type: "button", className: by < 0 ? "step back" : "step next", disabled: !other, aria: { label }, on: { click: () => show(other) } }, sign);
}

function move(by) {
  const other = list[list.findIndex((one) => one.id === now.id) + by];
  if (other && list.some((one) => one.id === now.id)) show(other);
}

const side = (asset) => [
  h("header", {}, h("h2", { id: "detail-title" }, asset.prompt || (asset.kind === "upload" ? "An upload" : "Anything")),
    h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => dialog.close() } }, "×")),
  h("p", { className: "hint facts-line" }, facts(asset)),
  h("div", { className: "marks" }, heart(asset), stars(asset)),
  tagField(asset),
  projectField(asset),
  h("div", { className: "buttons" }, ...making(asset)),
  h("div", { className: "buttons" }, ...downloads(asset)),
  h("div", { id: "relatives" }),
  recipe(asset),
  h("div", { className: "buttons" },
    h("button", { type: "button", className: "danger", on: { click: () => removeThis(asset) } }, "Delete")),
];

function stars(asset) {
  const place = h("div", { className: "stars", role: "radiogroup", aria: { label: "Rating" } });
  const paint = () => place.replaceChildren(...[1, 2, 3, 4, 5].map((value) =>
    h("button", { type: "button", role: "radio", aria: { checked: String(asset.rating === value), label: value === 1 ? "1 star" : `${value} stars` },
      on: { click: () => rate(asset, asset.rating === value ? 0 : value) } }, value <= asset.rating ? "★" : "☆")));
  place.paint = paint;
  paint();
  return place;
}

async function rate(asset, rating) {
  await change(asset, { rating });
  dialog.querySelector(".stars").paint();
}

function tagField(asset) {
  const input = h("input", { id: "detail-tags", value: asset.tags.join(", "), placeholder: "hero, spring", maxLength: 3300 });
  input.addEventListener("change", () =>
    change(asset, { tags: input.value.split(",").map((tag) => tag.trim()).filter(Boolean) }).catch(() => {}));
  return h("div", { className: "field" }, h("label", { htmlFor: "detail-tags" }, "Tags, with commas between"), input);
}

function projectField(asset) {
  const select = h("select", { id: "detail-project" });
  fill(select, [...projectItems(), ["new", "New project…"]], asset.project);
  offerNew(select);
  select.addEventListener("change", () => change(asset, { project: select.value }).catch(() => {}));
  return h("div", { className: "field" }, h("label", { htmlFor: "detail-project" }, "Project"), select);
}

function making(asset) {
  const button = (title, work, className = "") => h("button", { type: "button", className, on: { click: work } }, title);
  const run = async (changes) => {
    const job = await again(asset, changes);
    if (job) { showRun(job); leave("#create"); }
  };
  const strength = h("input", { type: "range", min: "0.1", max: "1", step: "0.05", value: "0.6", id: "detail-strength" });
  const start = button("Start from it", () => { setStart(asset); leave("#create"); });
  const part = button("Draw a part anew", () => openMask(asset, () => leave("#create")));
  if (asset.kind === "upload") return [start, part];
  return [
    isDraft(asset) ? button("Finish", () => run({ preset: "final" }), "primary") : null,
    button("Use these settings", () => useSettings(asset)),
    button("Another seed", () => run({ seed: Math.floor(Math.random() * 2 ** 32) })),
    start, part, h("span", { className: "together" },
      button("More like this", () => run({ strength: Number(strength.value), count: 4 })),
      h("label", { className: "inline", htmlFor: "detail-strength" }, "how different", strength)),
  ].filter(Boolean);
}

async function useSettings(asset) {
  const job = asset.job ? await get(`jobs/${asset.job}`).catch(() => null) : null;
  use(job?.request ?? { prompt: asset.prompt }, { seed: asset.seed, count: 1, model: asset.model, project: asset.project });
  const start = job?.start && await get(`assets/${job.start}`).catch(() => null);
  if (start) setStart(start, job.request.strength);
  leave("#create");
}

const downloads = (asset) => ["png", "jpeg", "webp"].map((format) =>
  h("a", { className: "button", href: picture(asset, { format, download: true }), download: "", data: { format } }, format === "jpeg" ? "JPEG" : format === "webp" ? "WebP" : "PNG"));

async function removeThis(asset) {
  if (await removeAll([asset])) dialog.close();
}

function recipe(asset) {
  const row = ([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, plain(value))];
  const all = { id: asset.id, seed: asset.seed, model: asset.model, ...(asset.recipe ?? {}), sha256: asset.sha256 };
  return h("details", { className: "recipe" }, h("summary", {}, "Recipe: everything its pixels depend on"),
    h("dl", {}, ...Object.entries(all).filter(([, value]) => value !== null && value !== "").flatMap(row)),
    h("button", { type: "button", on: { click: () => copy(JSON.stringify(asset.recipe, null, 2)) } }, "Copy as JSON"));
}

const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

const copy = (text) => navigator.clipboard.writeText(text).then(() => toast("Copied"), () => toast("The browser does not allow it", { bad: true }));

async function relatives(asset) {
  const [similar, children, parent] = await Promise.all([
    get(`assets/${asset.id}/similar`).catch(() => []),
    get(`assets?parent=${asset.id}&limit=12&kind=all`).then(({ assets }) => assets, () => []),
    asset.parent ? get(`assets/${asset.parent}`).catch(() => null) : null,
  ]);
  if (now !== asset || !at("relatives")) return;
  const near = similar.filter(({ distance }) => distance <= 4);
  at("relatives").replaceChildren(
    near.length ? h("p", { className: "notice" }, near.length === 1 ? "Another picture is nearly the same." : `${near.length} pictures are nearly the same.`) : "",
    ...row("Developed from", parent ? [parent] : []), ...row("Versions", children),
    ...row("Looks like", similar.map(({ asset }) => asset).slice(0, 8)));
}

function row(title, assets) {
  if (!assets.length) return [];
  const small = (asset) => h("span", { className: "mini" },
    h("button", { type: "button", className: "thumb", aria: { label: `Open: ${asset.prompt}` }, on: { click: () => show(asset) } },
      h("img", { src: picture(asset, { width: 128 }), alt: "", width: 64, height: 64 })),
    h("button", { type: "button", className: "quiet", on: { click: () => compare([now, asset]) } }, "compare"));
  return [h("h3", {}, title), h("div", { className: "minis" }, ...assets.map(small))];
}

function leave(hash) {
  dialog.close();
  location.hash = hash;
}

dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#library/")) history.replaceState(null, "", `#${document.body.dataset.view}`);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea")) return;
  if (event.key === "ArrowLeft") move(-1);
  else if (event.key === "ArrowRight") move(1);
  else if (event.key === "f") change(now, { favourite: !now.favourite });
  else if (event.key >= "0" && event.key <= "5") rate(now, Number(event.key));
  else if (event.key === "x") chosen.set(now, !chosen.has(now.id));
});
