// Ranking aids for what the library's search shows: the newest pictures of it are measured, then folded, hidden or reduced to the most
// different ones. Nothing is hidden that was not looked at.

import { get } from "./api.js";
import { at, h } from "./dom.js";
import { alike, foundWords, isShown, measure, placeFor, switches } from "./aids.js";
import { tile } from "./tiles.js";
import { count } from "./words.js";

/** As many as the server compares at once, and as one request lists. */
const MOST = 500;
const LIST = 200;

const state = { fold: false, different: false, sound: false, space: false };
/** Leaders of groups whose others are shown as well. */
const open = new Set();

/** Whether anything is asked of the pictures. */
export const isOn = () => Object.values(state).some(Boolean);

/** The switches; `changed` is called when one was pressed. */
export const boxes = (changed) => switches("library", Object.keys(state), (name, on) => { state[name] = on; changed(); });

export function allOff() {
  for (const name of Object.keys(state)) {
    state[name] = false;
    at(`library-${name}`).checked = false;
  }
}

/** Measures what a filter (an order aside) names. `told` is called with the view whenever more is known: `all` that is compared, of it
 * `shown` with the switches, `words` about it, `tile` of a picture, and `arrange` for another setting of the switches. */
export async function look(filter, sort, signal, told) {
  const { all, total } = await newest(filter, signal);
  if (signal.aborted) return;
  // In the order of the search; the server looks at the newest, whatever that is.
  if (sort === "old") all.reverse();
  if (sort === "rating") all.sort((a, b) => b.rating - a.rating || b.favourite - a.favourite);
  const tiles = new Map();
  const view = { all, total, aids: null, shown: [], words: "", arrange };

  function arrange() {
    const { aids } = view;
    const measured = (asset) => aids.by.get(asset.id);
    let shown = all.filter((asset) => isShown(measured(asset), state));
    if (state.different) shown = shown.filter((asset) => (measured(asset)?.different ?? null) !== null).sort((a, b) => measured(a).different - measured(b).different);
    if (state.fold) shown = shown.flatMap((asset) => [asset, ...(open.has(asset.id) ? others(asset) : [])]);
    view.shown = shown;
    view.words = words();
    told(view);
  }

  /** Those that look like a leader. */
  function others(asset) {
    const picture = view.aids.by.get(asset.id);
    if (!picture?.leads) return [];
    const group = new Set(view.aids.groups[picture.group]);
    return all.filter((one) => one.id !== asset.id && group.has(one.id));
  }

  function words() {
    const told = [view.shown.length === all.length ? count(all.length, "picture") : `${view.shown.length} of ${count(all.length, "picture")}`, foundWords(view.aids, "picture")];
    if (total > all.length) told.push(`only the newest ${all.length} of ${total} are compared: search for less to compare the others`);
    return told.join(" · ");
  }

  /** The tile of a picture with what was measured; one that is there already stays. */
  view.tile = (asset) => {
    if (!tiles.has(asset.id)) tiles.set(asset.id, tile(asset));
    const element = tiles.get(asset.id);
    for (const mark of element.querySelectorAll(".space, .twins, .broken")) mark.remove();
    const picture = view.aids.by.get(asset.id);
    const number = state.fold ? alike(view.aids, picture) : 1;
    element.classList.toggle("is-twin", number > 1 && (!picture.leads || open.has(asset.id)));
    if (state.space) element.querySelector(".open").after(...placeFor(picture));
    if (picture?.broken.length) element.querySelector(".open").after(h("span", { className: "state broken" }, "broken"));
    if (number > 1 && picture.leads) element.append(unfold(asset, number));
    return element;
  };

  function unfold(asset, number) {
    const isOpen = open.has(asset.id);
    const press = () => {
      if (isOpen) open.delete(asset.id); else open.add(asset.id);
      arrange();
      tiles.get(asset.id).querySelector(".twins")?.focus();
    };
    return h("button", { type: "button", className: "tool twins", aria: { expanded: String(isOpen), label: `${number} look like this: ${asset.prompt || asset.id}` }, title: isOpen ? "Fold them again" : "Show them", on: { click: press } }, `×${number}`);
  }

  await measure(`assets/aids?${filter}`, signal, (aids) => { view.aids = aids; arrange(); });
}

async function newest(filter, signal) {
  const all = [];
  for (;;) {
    const query = new URLSearchParams([...filter, ["limit", Math.min(LIST, MOST - all.length)], ["offset", all.length]]);
    const { assets, total } = await get(`assets?${query}`);
    all.push(...assets);
    if (!assets.length || all.length >= Math.min(total, MOST) || signal.aborted) return { all, total };
  }
}
