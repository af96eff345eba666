// Which view is shown, light or dark, shortcuts, and the state of the server in the bar.

import { listen, on } from "./api.js";
import { at, h, toast } from "./dom.js";
import { kept, load } from "./state.js";
import { chosen } from "./chosen.js";
import * as create from "./create.js";
import * as library from "./library.js";
import * as variations from "./variations.js";
import * as quality from "./quality.js";
import * as queue from "./queue.js";
import { openById } from "./detail.js";
import { seconds } from "./words.js";

/** A view whose files are fetched when it is first entered: most visits need none of them. */
function late(fetch) {
  let coming = null;
  const enter = async (...address) => {
    coming ??= fetch().then((view) => (view.setUp(), view));
    try {
      return (await coming).enter(...address);
    } catch (error) {
      coming = null;
      toast(`This view could not be fetched: ${error.message}`, { bad: true });
    }
  };
  return { setUp() {}, enter };
}

const campaigns = late(() => import("./campaigns.js"));
const brand = late(() => import("./brand.js"));
const costs = late(() => import("./costs.js"));
const views = { create, variations, library, campaigns, brand, costs, quality, queue };
const order = Object.keys(views);

function show() {
  const [name, id, part] = location.hash.slice(1).split("/");
  const view = views[name] ? name : "create";
  if (document.body.dataset.view !== view) chosen.clear();
  document.body.dataset.view = view;
  for (const other of order) at(`view-${other}`).hidden = other !== view;
  for (const link of at("tabs").children) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = view === "create" ? "Calotype" : `${at(`view-${view}`).querySelector("h1").textContent} · Calotype`;
  views[view].enter?.(id, part);
  if (view === "library" && id) openById(id);
}

const THEMES = { auto: ["◐", "as the system is"], light: ["☀", "light"], dark: ["☾", "dark"] };

function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
  at("theme").textContent = THEMES[name][0];
  at("theme").setAttribute("aria-label", `Light or dark: ${THEMES[name][1]}`);
  kept.set("theme", name);
}

function nextTheme() {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf(kept.get("theme", "auto")) + 1) % names.length]);
}

const SHORTCUTS = [
  ["Ctrl + Enter", "Generate, or draw the grid"], ["Esc", "Cancel the newest job; close what is open"],
  ["1 to 8", "Create, Variations, Library, Campaigns, Brand, Costs, Quality, Queue"], ["n", "To the prompt"], ["/", "To the search"],
  ["← →", "Previous and next picture, when one is open"], ["f", "Favourite"], ["0 to 5", "Rate the open picture"],
  ["x", "Choose the open picture"], ["t", "Light or dark"], ["?", "This help"],
];

function help() {
  const row = ([keys, text]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, text)];
  at("help").replaceChildren(
    h("header", {}, h("h2", { id: "help-title" }, "Shortcuts"),
      h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => at("help").close() } }, "×")),
    h("dl", { className: "keys" }, ...SHORTCUTS.flatMap(row)),
    h("p", { className: "hint" }, "Programs can do all of this, too: ", h("a", { href: "/docs" }, "the server's interfaces"), "."));
  at("help").showModal();
}

function keys(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return void (event.preventDefault(), submit());
  if (event.key === "Escape") return escape();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea")) return;
  const work = simple[event.key] ?? (order[event.key - 1] && (() => { location.hash = `#${order[event.key - 1]}`; }));
  if (!work) return;
  event.preventDefault();
  work();
}

const go = (view, field) => () => { location.hash = `#${view}`; show(); at(field).focus(); };
const simple = { "?": help, t: nextTheme, n: go("create", "prompt"), "/": go("library", "search") };

function submit() {
  const forms = [...at(`view-${document.body.dataset.view}`).querySelectorAll("form")];
  if (document.body.dataset.view !== "library") forms.find((form) => form.checkVisibility())?.requestSubmit();
}

function escape() {
  if (document.body.dataset.view === "variations" ? variations.cancelAll() : create.shortcuts.cancelNewest()) return;
  if (chosen.all().length) chosen.clear();
}

function pulse() {
  const say = (text, state) => { at("pulse-text").textContent = text; at("pulse").dataset.state = state; };
  on("job", (job) => { if (job.state === "running") say("Drawing", "busy"); });
  on("progress", ({ progress, eta_seconds }) => say(eta_seconds ? `${seconds(eta_seconds)} left` : `${Math.round(progress * 100)} %`, "busy"));
  on("done", () => say("Ready", "ready"));
  on("online", (online) => say(online ? "Ready" : "No answer", online ? "ready" : "lost"));
}

async function begin() {
  theme(kept.get("theme", "auto"));
  at("theme").addEventListener("click", nextTheme);
  at("help-open").addEventListener("click", help);
  at("help").addEventListener("click", (event) => { if (event.target === at("help")) at("help").close(); });
  addEventListener("hashchange", show);
  addEventListener("keydown", keys);
  for (const view of Object.values(views)) view.setUp();
  pulse();
  listen();
  show();
  try {
    await load();
    await create.restore();
  } catch (error) {
    toast(error.status === 401 ? "This server needs a key: reload, and give it as the password." : error.message, { bad: true });
  }
  document.body.dataset.ready = "yes";
}

begin();
