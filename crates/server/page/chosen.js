// Pictures that are chosen, in any view, and the bar that says what can be done with them.

import { file, remove } from "./api.js";
import { ask, at, h, toast } from "./dom.js";
import { count } from "./words.js";

const assets = new Map();
/** Actions of the views: `[title, enabled(assets), work(assets), note(assets)]`; a note says what it will take. */
const actions = [];

export const chosen = {
  has: (id) => assets.has(id),
  set(asset, yes) {
    if (yes) assets.set(asset.id, asset); else assets.delete(asset.id);
    paint();
  },
  all: () => [...assets.values()],
  clear() {
    assets.clear();
    paint();
  },
};

/** Adds an action to the bar. */
export const addAction = (title, enabled, work, note = null) => actions.push([title, enabled, work, note]);

function paint() {
  for (const label of document.querySelectorAll("[data-pick]")) {
    const yes = assets.has(label.dataset.pick);
    label.querySelector("input").checked = yes;
    label.closest(".tile")?.classList.toggle("is-chosen", yes);
  }
  const bar = at("chosen");
  bar.hidden = assets.size === 0;
  document.body.classList.toggle("choosing", assets.size > 0);
  if (assets.size === 0) return bar.replaceChildren();
  bar.replaceChildren(h("b", {}, `${assets.size} chosen`), ...actions.map(actionButton), zipButton(), removeButton(),
    h("button", { type: "button", className: "quiet", on: { click: chosen.clear } }, "Clear"));
}

function actionButton([title, enabled, work, note]) {
  const can = enabled(chosen.all());
  const button = h("button", { type: "button", disabled: !can, on: { click: () => work(chosen.all()) } }, title);
  if (can) note?.(chosen.all()).then((text) => button.append(h("small", {}, text)), () => {});
  return button;
}

function zipButton() {
  const select = h("select", { aria: { label: "Download a ZIP of the chosen pictures" } },
    h("option", { value: "", textContent: "ZIP…" }),
    ...["png", "jpeg", "webp"].map((format) => h("option", { value: format, textContent: `ZIP of ${format.toUpperCase()}` })));
  select.addEventListener("change", () => { zip(chosen.all(), select.value); select.value = ""; });
  return select;
}

/** Downloads pictures with contact sheet and manifest. */
export async function zip(pictures, format) {
  try {
    const blob = await file("assets/zip", { ids: pictures.map((asset) => asset.id), format });
    const link = h("a", { href: URL.createObjectURL(blob), download: "calotype.zip" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

const removeButton = () =>
  h("button", { type: "button", className: "danger", on: { click: () => removeAll(chosen.all()) } }, "Delete");

/** Removes pictures after a question; true if they are gone. */
export async function removeAll(pictures) {
  const yes = await ask(`Delete ${count(pictures.length, "picture")}?`, "The files are removed. This cannot be undone.", "Delete");
  if (!yes) return false;
  for (const asset of pictures) {
    try {
      await remove(`assets/${asset.id}`);
      assets.delete(asset.id);
      for (const tile of document.querySelectorAll(`.tile[data-asset="${asset.id}"]`)) tile.remove();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }
  paint();
  document.dispatchEvent(new Event("removed"));
  return true;
}
