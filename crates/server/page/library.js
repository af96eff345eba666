// Every picture: search, filters, marks, many at once.

import { get, on } from "./api.js";
import { askText, at, calm, empty, fill, h, toast } from "./dom.js";
import { addAction } from "./chosen.js";
import { allOff, boxes, isOn, look } from "./library-aids.js";
import { change, tile } from "./tiles.js";
import { compare, MOST } from "./compare.js";
import { projectItems, watch } from "./state.js";
import { count } from "./words.js";

const PAGE = 60;
let shown = 0;
let total = 0;
let asked = 0;
let stale = true;
/** What is seen with ranking aids, how much of it is shown, and what ends their measuring. */
let aided = null;
let most = PAGE;
let over = new AbortController();

export function setUp() {
  watch("projects", () => fill(at("filter-project"), [["", "All projects"], ...projectItems()]));
  fill(at("filter-tag"), [["", "Any tag"]]);
  const form = at("library-form");
  form.addEventListener("input", calm(() => search(), 200));
  form.addEventListener("submit", (event) => (event.preventDefault(), search()));
  at("library-more").addEventListener("click", () => { if (aided) { most += PAGE; showAided(); } else search(shown); });
  at("gallery").dataset.list = "gallery";
  form.after(boxes(() => { if (isOn() && aided?.aids) aided.arrange(); else search(); }));
  addAction("Favourite", () => true, (assets) => assets.forEach((asset) => change(asset, { favourite: true }).catch(() => {})));
  addAction("Tag", () => true, tagAll);
  addAction("Compare", (assets) => assets.length >= 2 && assets.length <= MOST, compare);
}

/** What the filters name. */
function filter() {
  const all = {
    search: at("search").value.trim(), favourite: at("only-favourites").checked ? "true" : "", min_rating: at("min-rating").value,
    tag: at("filter-tag").value, project: at("filter-project").value, kind: at("filter-kind").value,
  };
  return Object.entries(all).filter(([, value]) => value !== "");
}

/** Shows the pictures that the filters name, from a place on. */
export async function search(offset = 0) {
  const own = ++asked;
  over.abort();
  over = new AbortController();
  if (isOn()) return measured(own, over.signal);
  aided = null;
  try {
    const page = await get(`assets?${new URLSearchParams([...filter(), ["sort", at("sort").value], ["limit", PAGE], ["offset", offset]])}`);
    if (own === asked) paint(page, offset);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** The same with ranking aids: all that is compared is known, and shown by pages. */
async function measured(own, signal) {
  at("library-count").textContent = "Looking at the pictures…";
  aided = null;
  most = PAGE;
  try {
    await look(new URLSearchParams(filter()), at("sort").value, signal, (view) => {
      if (own !== asked) return;
      aided = view;
      showAided();
    });
  } catch (error) {
    if (own !== asked) return;
    at("library-count").textContent = "These pictures could not be looked at";
    toast(error.message, { bad: true, action: ["Try again", () => search()] });
  }
}

function showAided() {
  shown = Math.min(most, aided.shown.length);
  at("library-count").textContent = aided.all.length ? aided.words : "\u00a0";
  at("library-more").hidden = shown >= aided.shown.length;
  if (shown) at("gallery").replaceChildren(...aided.shown.slice(0, shown).map(aided.tile));
  else at("gallery").replaceChildren(aided.all.length ? empty("All of these are broken", "They are empty, flat, burnt or torn.", h("button", { type: "button", on: { click: () => (allOff(), search()) } }, "Show them")) : nothing());
}

function paint(page, offset) {
  total = page.total;
  shown = offset + page.assets.length;
  const gallery = at("gallery");
  const tiles = page.assets.map((asset) => tile(asset));
  if (offset === 0) gallery.replaceChildren(...tiles); else gallery.append(...tiles);
  at("library-count").textContent = total ? count(total, "picture") : "\u00a0";
  at("library-more").hidden = shown >= total;
  if (!total) gallery.replaceChildren(nothing());
}

function nothing() {
  const filtered = filter().some(([name, value]) => !(name === "kind" && value === "image"));
  if (!filtered) return empty("No pictures yet", "What you draw is kept here.", h("a", { className: "button primary", href: "#create" }, "Draw the first"));
  const clear = () => (at("library-form").reset(), search());
  return empty("Nothing fits", "No picture has all of this.", h("button", { type: "button", on: { click: clear } }, "Show everything"));
}

async function tagAll(assets) {
  const tag = await askText(`Tag ${count(assets.length, "picture")}`, "Tag", "Add it");
  if (!tag) return;
  for (const asset of assets) await change(asset, { tags: [...new Set([...asset.tags, tag])] }).catch(() => {});
  loadTags();
}

async function loadTags() {
  const tags = await get("tags").catch(() => []);
  fill(at("filter-tag"), [["", "Any tag"], ...tags.map(({ tag, pictures }) => [tag, `${tag} (${pictures})`])]);
}

/** The view is opened. */
export function enter() {
  loadTags();
  if (stale) search();
  stale = false;
}

const changedElsewhere = calm(() => {
  if (document.body.dataset.view === "library" && shown <= PAGE) search(); else stale = true;
}, 400);
on("asset", changedElsewhere);
document.addEventListener("removed", changedElsewhere);
document.addEventListener("marked", () => { stale = true; });
