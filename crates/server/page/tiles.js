// One picture on the page: as it develops, and when it is there. A tile keeps its place from the first moment.

import { catchUp, on, patch, picture, post } from "./api.js";
import { h, toast } from "./dom.js";
import { noise } from "./noise.js";
import { chosen } from "./chosen.js";
import { proportion } from "./sizes.js";

/** Tiles that wait for a picture, by job and number. */
const developing = new Map();
/** Previews that came before their tile was there: a job may begin before the answer to its request has arrived. */
const early = new Map();
const EARLY = 64;
const place = (job, image) => `${job}:${image}`;

/** Whoever opens a picture: set by the detail view. */
export const opener = { open: () => {} };

/** A place for picture `image` of a job; it fills by itself. `made` is called with the tile and the asset. */
export function slot(job, image, { made = () => {}, tools = () => [] } = {}) {
  const tile = blank(job);
  tile.dataset.job = job.id;
  developing.set(place(job.id, image), { tile, made, tools });
  const seen = early.get(place(job.id, image));
  if (seen) emerge(developing.get(place(job.id, image)), seen);
  if (image === 0) setTimeout(() => catchUp(job.id));
  return tile;
}

/** Tiles of a job: pictures that are there, and places for those that will be. What was removed has none. */
export function places(job, tools) {
  const there = new Map((job.assets ?? []).map((asset) => [asset.position, asset]));
  const open = ["queued", "running"].includes(job.state);
  const numbers = Array.from({ length: job.images }, (_, i) => i).filter((i) => open || there.has(i));
  return numbers.map((i) => (there.has(i) ? tile(there.get(i), { tools }) : slot(job, i, { tools })));
}

/** A tile of noise, of a job's shape. */
export const blank = (job) =>
  h("figure", { className: "tile developing", css: { "aspect-ratio": String(proportion(job.request.size ?? sizeOf(job))) } },
    h("img", { src: noise(), alt: "", className: "noise" }),
    h("span", { className: "state" }, job.state === "queued" ? "waiting" : ""));

let usualSize = "512x512";
export const setUsualSize = (size) => { usualSize = size; };
const sizeOf = (job) => job.assets?.[0] ? `${job.assets[0].width}x${job.assets[0].height}` : usualSize;

/** The tile of a picture that is there. */
export function tile(asset, options = {}) {
  const figure = h("figure", { className: "tile", css: { "aspect-ratio": `${asset.width} / ${asset.height}` } });
  show(figure, asset, options);
  return figure;
}

/** Turns a tile into the picture's. */
export function show(figure, asset, { tools = () => [], list = null, image = lazily(asset) } = {}) {
  figure.asset = asset;
  figure.classList.remove("developing", "failed");
  figure.dataset.asset = asset.id;
  const name = asset.prompt || "a picture without a prompt";
  const open = () => opener.open(asset, list?.() ?? siblings(figure));
  Object.assign(image, { alt: name, width: asset.width, height: asset.height });
  figure.replaceChildren(
    h("button", { type: "button", className: "open", aria: { label: `Open: ${name}` }, on: { click: open } }, image),
    pick(asset), heart(asset), h("div", { className: "tools" }, ...tools(asset, figure)));
}

const lazily = (asset) => h("img", { loading: "lazy", decoding: "async", src: picture(asset, { width: 512 }) });

const siblings = (figure) =>
  [...(figure.closest("[data-list]") ?? figure.parentElement).querySelectorAll(".tile")].map((one) => one.asset).filter(Boolean);

function pick(asset) {
  const box = h("input", { type: "checkbox", checked: chosen.has(asset.id), aria: { label: `Choose: ${asset.prompt || asset.id}` } });
  box.addEventListener("change", () => chosen.set(asset, box.checked));
  return h("label", { className: "pick", data: { pick: asset.id } }, box);
}

export function heart(asset) {
  const button = h("button", { type: "button", className: "heart", data: { heart: asset.id } });
  const paint = () => {
    button.textContent = asset.favourite ? "♥" : "♡";
    button.setAttribute("aria-pressed", String(asset.favourite));
    button.setAttribute("aria-label", asset.favourite ? "No favourite any more" : "Favourite");
  };
  button.paint = (changed) => { asset.favourite = changed.favourite; paint(); };
  button.addEventListener("click", () => change(asset, { favourite: !asset.favourite }));
  paint();
  return button;
}

/** Marks a picture, everywhere it is shown. */
export async function change(asset, marks) {
  try {
    const now = await patch(`assets/${asset.id}`, marks);
    Object.assign(asset, now);
    for (const button of document.querySelectorAll(`[data-heart="${asset.id}"]`)) button.paint(now);
    document.dispatchEvent(new CustomEvent("marked", { detail: now }));
    return now;
  } catch (error) {
    toast(error.message, { bad: true });
    throw error;
  }
}

/** A small button of a tile. */
export const tool = (title, label, work) =>
  h("button", { type: "button", className: "tool", title: label, aria: { label }, on: { click: work } }, title);

/** Draws a picture again with changes; says what went wrong. */
export async function again(asset, changes) {
  try {
    return await post(`assets/${asset.id}/again`, changes);
  } catch (error) {
    toast(error.field ? `${error.field}: ${error.message}` : error.message, { bad: true });
    return null;
  }
}

on("preview", ({ job, image, url }) => {
  const key = place(job, image);
  if (developing.has(key)) return emerge(developing.get(key), url);
  early.set(key, url);
  if (early.size > EARLY) early.delete(early.keys().next().value);
});

function emerge(waiting, url) {
  const picture = waiting.tile.querySelector("img");
  picture.src = url;
  picture.className = "emerging";
  waiting.tile.querySelector(".state")?.replaceChildren();
  if (!performance.getEntriesByName("first-preview").length) performance.mark("first-preview");
}

on("asset", settle);
on("job", (job) => {
  job.assets?.forEach(settle);
  if (job.state === "running") for (const tile of waitingTiles(job.id)) tile.querySelector(".state")?.replaceChildren();
});
on("done", (job) => {
  job.assets?.forEach(settle);
  const words = { cancelled: "cancelled", failed: "failed" };
  for (const tile of waitingTiles(job.id)) {
    tile.classList.add("failed");
    tile.querySelector(".state")?.replaceChildren(words[job.state] ?? "no picture");
  }
  for (const key of [...developing.keys()].filter((key) => key.startsWith(`${job.id}:`))) developing.delete(key);
});

function settle(asset) {
  const key = place(asset.job, asset.position);
  const waiting = developing.get(key);
  if (!waiting) return;
  developing.delete(key);
  const image = h("img", { src: picture(asset, { width: 512 }) });
  const after = () => {
    show(waiting.tile, asset, { tools: waiting.tools, image });
    waiting.made(waiting.tile, asset);
  };
  // The finished picture is fetched and decoded before it takes the preview's place: nothing flashes.
  image.decode().then(after, after);
}

on("online", (online) => {
  const jobs = new Set([...developing.keys()].map((key) => key.split(":")[0]));
  if (online) jobs.forEach(catchUp);
});

const waitingTiles = (job) =>
  [...developing].filter(([key]) => key.startsWith(`${job}:`)).map(([, waiting]) => waiting.tile);
