// What somebody with a share link sees: the picks of one campaign, large on demand, with comments. The token is part of the address,
// and everything that is asked for lies below it.

import { at, empty, h, toast } from "./dom.js";
import { pinned } from "./pins.js";

const TOKEN = location.pathname.split("/")[2];
const BASE = `/api/v1/shared/${TOKEN}`;
const PAGE = 60;
const STATES = { draft: "not reviewed yet", in_review: "in review", changes_asked: "changes asked", approved: "approved", archived: "put away" };
const dialog = at("look");
let picks = [];

async function ask(path, body) {
  const init = body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(BASE + path, init).catch(() => { throw new Error("The server does not answer. Try again in a moment."); });
  if (response.status === 401) {
    over();
    throw new Error("This link is over.");
  }
  const told = await response.json().catch(() => null);
  if (!response.ok) throw Object.assign(new Error(told?.error?.message ?? response.statusText), { field: told?.error?.field });
  return told;
}

/** The link ended while the page was open. */
function over() {
  dialog.close();
  at("shared").replaceChildren(empty("This link opens nothing any more", "It has ended or was revoked. Whoever sent it to you can make a new one in a moment."));
}

const file = (id, width) => `${BASE}/candidates/${id}/picture${width ? `?width=${width}` : ""}`;
const day = (ms) => new Date(ms).toLocaleDateString(undefined, { dateStyle: "long" });
const name = { get: () => { try { return localStorage.getItem("calotype.shared-name") ?? ""; } catch { return ""; } }, set(text) { try { localStorage.setItem("calotype.shared-name", text); } catch { /* a private window keeps nothing */ } } };

function tile(pick) {
  const words = `${pick.row}, ${STATES[pick.state]}${pick.comments ? `, ${pick.comments} comments` : ""}`;
  const picture = pick.width
    ? h("img", { src: file(pick.id, 384), alt: "", loading: "lazy", width: pick.width, height: pick.height })
    : h("span", { className: "state" }, "removed");
  return h("figure", { className: "shared-pick", data: { pick: pick.id } },
    h("button", { type: "button", className: "shared-open", aria: { label: `Open ${words}` }, on: { click: () => look(picks.indexOf(pick)) } }, picture),
    h("figcaption", {}, h("b", {}, pick.row), h("span", { className: `tag ${pick.state === "approved" ? "good" : ""}` }, STATES[pick.state]),
      pick.comments ? h("span", { className: "hint" }, pick.comments === 1 ? "1 comment" : `${pick.comments} comments`) : null));
}

async function look(index) {
  const pick = picks[index];
  try {
    const comments = await ask(`/candidates/${pick.id}/comments`);
    const by = h("input", { id: "shared-by", maxLength: 100, value: name.get(), placeholder: "optional" });
    by.addEventListener("change", () => name.set(by.value.trim()));
    const { board, talk } = pinned({
      src: file(pick.id), alt: `The picture ${pick.row}`, ratio: pick.width && pick.height ? pick.width / pick.height : 1, comments,
      send: async (comment) => {
        const kept = await ask(`/candidates/${pick.id}/comments`, { ...comment, by: by.value.trim() || undefined });
        pick.comments += 1;
        document.querySelector(`[data-pick="${pick.id}"]`)?.replaceWith(tile(pick));
        return kept;
      },
    });
    talk.querySelector("form").prepend(h("div", { className: "field" }, h("label", { htmlFor: "shared-by" }, "Your name"), by));
    const step = (to, sign, label, side) => h("button", { type: "button", className: `step ${side}`, disabled: !picks[to], aria: { label }, on: { click: () => look(to) } }, sign);
    dialog.replaceChildren(
      h("div", { className: "detail-picture" }, board, step(index - 1, "‹", "Previous picture", "back"), step(index + 1, "›", "Next picture", "next")),
      h("div", { className: "detail-side" },
        h("header", {}, h("h2", { id: "look-title" }, pick.row), h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => dialog.close() } }, "×")),
        h("p", { className: "together" }, h("span", { className: `tag ${pick.state === "approved" ? "good" : ""}` }, STATES[pick.state]), h("span", { className: "hint" }, pick.is_final ? "at full quality" : "a draft")),
        talk));
    if (!dialog.open) dialog.showModal();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, .pin")) return;
  const by = { ArrowLeft: ".back", ArrowRight: ".next" }[event.key];
  if (by) dialog.querySelector(`.step${by}:not(:disabled)`)?.click();
});

async function further(gallery, more) {
  const found = await ask(`/candidates?limit=${PAGE}&offset=${picks.length}`);
  picks = [...picks, ...found.candidates];
  gallery.append(...found.candidates.map(tile));
  more.hidden = picks.length >= found.total;
}

async function begin() {
  try {
    const campaign = await ask("");
    document.title = campaign.name;
    at("shared-name").textContent = campaign.name;
    const gallery = h("div", { className: "shared-gallery" });
    const more = h("button", { type: "button", hidden: true, on: { click: () => further(gallery, more).catch((error) => toast(error.message, { bad: true })) } }, "Show more");
    at("shared").replaceChildren(
      h("h1", {}, campaign.name),
      h("p", { className: "lead" }, `Shared with ${campaign.label} until ${day(campaign.expires_ms)}. You can look at the pictures and comment on any place of them; nothing else can be seen or changed from here.`),
      gallery, h("p", { className: "center" }, more));
    await further(gallery, more);
    if (!picks.length) gallery.replaceWith(empty("Nothing to look at yet", "Nothing was picked so far. This page will show it as soon as something is."));
  } catch (error) {
    if (!at("shared").childElementCount) at("shared").replaceChildren(empty("This does not work right now", error.message));
  }
  document.body.dataset.ready = "yes";
}

begin();
