// What is picked on its way to approval: states, comments on a place, locks, who did what and when; how satisfied people are.

import { get, post, put } from "./api.js";
import { empty, fill, h, s, showError, toast } from "./dom.js";
import { lookAgain } from "./campaign-head.js";
import { source } from "./campaign-look.js";
import { shareCard } from "./campaign-share.js";
import { pinned } from "./pins.js";
import { kept } from "./state.js";
import { count, when } from "./words.js";

export const title = "Review";

const PAGE = 60;
const NAMES = { draft: "Draft", in_review: "In review", changes_asked: "Changes asked", approved: "Approved", archived: "Put away" };
/** What a move is called, by where it goes; from where decides between asking and asking again. */
const MOVES = { draft: "Back to draft", in_review: "Ask for review", changes_asked: "Ask for changes", approved: "Approve", archived: "Put away" };
const REASONS = ["the pictures", "how fast", "how easy", "what it cost"];

/** Who does things here; empty = the name of the key. */
const who = () => kept.get("name", "").trim() || undefined;
const stateTag = (state) => h("span", { className: `tag ${state === "approved" ? "good" : state === "changes_asked" ? "bad" : ""}` }, NAMES[state]);

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  const found = { candidates: [], total: 0 };
  let now = null;
  const filter = h("select", { id: "review-state", aria: { label: "Which picks" } });
  fill(filter, [["", "All picks"], ...Object.entries(NAMES)]);
  const name = h("input", { id: "review-name", maxLength: 100, value: kept.get("name", ""), placeholder: "the name of the key" });
  name.addEventListener("change", () => { kept.set("name", name.value.trim()); if (now) open(now.id); });
  const sendAll = h("button", { type: "button", hidden: true, on: { click: askAll } });
  const list = h("ul", { className: "review-list", aria: { label: "Picks" } });
  const more = h("button", { type: "button", hidden: true, on: { click: () => load(found.candidates.length) } }, "Show more");
  const main = h("div", { className: "review-main" });
  const cards = h("div", { className: "review-cards" });
  place.replaceChildren(
    h("form", { className: "toolbar", autocomplete: "off", on: { submit: (event) => event.preventDefault() } },
      filter, sendAll, h("div", { className: "field together you" }, h("label", { htmlFor: "review-name" }, "You are"), name)),
    h("div", { className: "review" }, h("div", { className: "review-side" }, list, more), main), cards);
  filter.addEventListener("change", () => load(0));
  load(0);
  cards.append(shareCard(campaign), pulseCard(campaign));

  async function load(offset) {
    try {
      const query = new URLSearchParams({ picked: "true", limit: PAGE, offset });
      if (filter.value) query.set("state", filter.value);
      const page = await get(`campaigns/${campaign.id}/candidates?${query}`);
      if (!place.isConnected) return;
      found.total = page.total;
      found.candidates = offset ? [...found.candidates, ...page.candidates] : page.candidates;
      list.replaceChildren(...found.candidates.map(item));
      more.hidden = found.candidates.length >= found.total;
      sendState();
      if (!found.candidates.length) nothing(); else if (offset === 0) open(found.candidates.find((one) => one.id === now?.id)?.id ?? found.candidates[0].id);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  function sendState() {
    const drafts = found.candidates.filter((one) => one.state === "draft");
    sendAll.hidden = drafts.length < 2;
    sendAll.textContent = `Ask for review of ${drafts.length}`;
  }

  function nothing() {
    now = null;
    main.replaceChildren(filter.value
      ? empty("None of them", `No pick is “${NAMES[filter.value].toLowerCase()}”.`)
      : empty("Nothing is picked yet", "Pick the best drafts in the grid; here they are talked about and approved.", h("a", { className: "button primary", href: `#campaigns/${campaign.id}/grid` }, "To the grid")));
  }

  function item(candidate) {
    const asset = candidate.final ?? candidate.asset;
    return h("li", {}, h("button", { type: "button", className: "review-item", data: { pick: candidate.id }, aria: { current: String(candidate.id === now?.id) }, on: { click: () => open(candidate.id) } },
      asset ? h("img", { src: source(asset, 128), alt: "", loading: "lazy" }) : h("span", { className: "thumb" }),
      h("span", {}, h("b", {}, candidate.row), stateTag(candidate.state), candidate.comments ? h("small", {}, count(candidate.comments, "comment")) : null)));
  }

  async function open(id) {
    try {
      const whole = await get(`candidates/${id}`);
      if (place.isConnected) paint(whole);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  function paint(whole) {
    now = whole.candidate;
    const at = found.candidates.findIndex((one) => one.id === now.id);
    if (at >= 0) {
      found.candidates[at] = now;
      list.children[at].replaceWith(item(now));
      for (const button of list.querySelectorAll(".review-item")) button.setAttribute("aria-current", String(button.dataset.pick === now.id));
    }
    sendState();
    main.replaceChildren(pictures(whole), side(whole));
  }

  /** The final, or the draft until there is one; both beside each other where both are. */
  let view = "final";
  function pictures(whole) {
    const place = h("div", { className: "review-pictures" });
    const both = now.asset && now.final;
    const shown = both ? view : now.final ? "final" : "draft";
    const asset = shown === "draft" ? now.asset : now.final ?? now.asset;
    if (!asset) return h("div", { className: "review-pictures" }, empty("The picture was removed", "Its comments and its history are kept."));
    const { board, talk } = pinned({
      src: source(asset), alt: `${shown === "draft" ? "Draft" : "Final"} of ${now.row}: ${now.prompt}`, ratio: ratioOf(campaign), comments: whole.comments,
      send: async (comment) => {
        const kept = await post(`candidates/${now.id}/comments`, { ...comment, by: who() });
        now.comments += 1;
        const at = found.candidates.findIndex((one) => one.id === now.id);
        if (at >= 0) list.children[at].replaceWith(item(now));
        return kept;
      },
    });
    const choice = (value, words) => h("button", { type: "button", aria: { pressed: String(view === value) }, on: { click: () => { view = value; place.replaceWith(pictures(whole)); } } }, words);
    place.append(
      both ? h("div", { className: "buttons tight", role: "group", aria: { label: "What is shown" } }, choice("final", "Final"), choice("draft", "Draft"), choice("both", "Beside each other")) : h("p", { className: "hint" }, now.final ? "The final" : "The draft; its final is not drawn yet"),
      h("div", { className: shown === "both" ? "beside-board" : "" }, shown === "both" ? h("figure", {}, h("img", { src: source(now.asset), alt: `Draft of ${now.row}` }), h("figcaption", {}, "Draft")) : "", board),
      talk);
    return place;
  }

  function side({ next, history }) {
    const locked = now.locked_by && now.locked_by !== (who() ?? now.locked_by);
    const note = h("input", { id: "review-note", maxLength: 1000, placeholder: "optional" });
    const form = h("form", { className: "review-moves", autocomplete: "off", on: { submit: (event) => event.preventDefault() } });
    const move = async (state) => {
      try {
        await post(`candidates/${now.id}/review`, { state, note: note.value.trim(), by: who() });
        lookAgain();
        await open(now.id);
      } catch (error) {
        showError(form, error);
      }
    };
    const kind = (state) => (state === "approved" ? "primary" : state === "archived" ? "quiet" : "");
    form.append(
      h("div", { className: "field" }, h("label", { htmlFor: "review-note" }, "Note with it"), note, h("p", { className: "error", data: { error: "note" }, role: "alert" })),
      h("div", { className: "buttons" }, ...["approved", "in_review", "changes_asked", "draft", "archived"].filter((state) => next.includes(state)).map((state) =>
        h("button", { type: "button", className: kind(state), disabled: Boolean(locked), data: { move: state }, on: { click: () => move(state) } }, state === "draft" && now.state === "archived" ? "Take up again" : MOVES[state]))),
      h("p", { className: "error", data: { error: "" }, role: "alert" }));
    const step = (one) => h("li", {}, h("b", {}, NAMES[one.after]), h("span", { className: "hint" }, `${one.who} · ${when(one.at_ms)}`), one.note ? h("p", { className: "said" }, one.note) : null);
    return h("div", { className: "review-facts" },
      h("h2", {}, `${now.row}, draft ${now.position + 1}`), h("p", {}, stateTag(now.state)),
      locked ? h("p", { className: "notice" }, `${now.locked_by} locked it ${when(now.locked_ms)}: only they can change it.`) : form,
      lockButton(locked),
      h("h3", {}, "What happened"), history.length ? h("ol", { className: "history" }, ...history.map(step).reverse()) : h("p", { className: "hint" }, "Nobody was asked yet."),
      h("dl", { className: "facts" }, h("dt", {}, "Prompt"), h("dd", {}, now.prompt), h("dt", {}, "Seed"), h("dd", {}, String(now.seed))));
  }

  function lockButton(locked) {
    const mine = Boolean(now.locked_by) && !locked;
    const change = async () => {
      try {
        await put(`candidates/${now.id}/lock`, { locked: !mine, by: who() });
        open(now.id);
      } catch (error) {
        toast(error.message, { bad: true });
      }
    };
    return h("button", { type: "button", className: "quiet lock", disabled: Boolean(locked), aria: { pressed: String(mine) }, title: "While it is locked, only you can change it", on: { click: change } },
      mine ? `Unlock it (${now.locked_by})` : locked ? "Locked" : "Lock it for me");
  }

  async function askAll() {
    const drafts = found.candidates.filter((one) => one.state === "draft");
    sendAll.disabled = true;
    for (const one of drafts) {
      try {
        await post(`candidates/${one.id}/review`, { state: "in_review", by: who() });
      } catch (error) {
        toast(`${one.row}: ${error.message}`, { bad: true });
      }
    }
    sendAll.disabled = false;
    lookAgain();
    load(0);
  }
}

function ratioOf(campaign) {
  const [width, height] = (campaign.brief.size ?? "1x1").split("x").map(Number);
  return width && height ? width / height : 1;
}

/** A face, 1 (sad) to 5. */
const face = (score) => s("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
  s("circle", { cx: 16, cy: 16, r: 13 }), s("circle", { cx: 11.5, cy: 13, r: 1.2, class: "eye" }), s("circle", { cx: 20.5, cy: 13, r: 1.2, class: "eye" }),
  s("path", { d: `M10.5 ${21 - (score - 3) * 0.9} Q16 ${21 + (score - 3) * 2.6} 21.5 ${21 - (score - 3) * 0.9}` }));

/** How satisfied somebody is, in two taps: a face, and why. */
function pulseCard(campaign) {
  const card = h("section", { className: "card pulse-card" });
  const scores = [[1, "Not at all"], [2, "Not much"], [3, "So so"], [4, "Quite"], [5, "Very"]];
  const send = async (score, reason) => {
    try {
      await post(`campaigns/${campaign.id}/pulses`, { score, reason, by: who() });
      card.replaceChildren(h("h3", {}, "Thank you"), h("p", { className: "hint" }, "It stands in the report, with the time to approval."),
        h("button", { type: "button", className: "quiet", on: { click: ask } }, "Say something else"));
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const why = (score) => {
    card.replaceChildren(h("h3", {}, score > 3 ? "What was good?" : "What was it?"),
      h("div", { className: "buttons" }, ...REASONS.map((reason) => h("button", { type: "button", on: { click: () => send(score, reason) } }, reason)),
        h("button", { type: "button", className: "quiet", on: { click: () => send(score, "") } }, "No reason")));
    card.querySelector("button").focus();
  };
  function ask() {
    card.replaceChildren(h("h3", {}, "Are you satisfied with this campaign?"),
      h("div", { className: "buttons faces" }, ...scores.map(([score, words]) => h("button", { type: "button", title: words, aria: { label: words }, data: { score }, on: { click: () => why(score) } }, face(score)))));
  }
  ask();
  return card;
}
