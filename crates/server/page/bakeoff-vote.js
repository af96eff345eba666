// Voting on pairs without names, by keyboard or by taps. What comes next is fetched before it is needed, and a vote is sent while
// the next pair is already looked at.

import { get, post, remove } from "./api.js";
import { ask, askText, empty, h, toast } from "./dom.js";
import { kept } from "./state.js";
import { results } from "./bakeoff-results.js";
import { count } from "./words.js";

const AHEAD = 4;
const LOOK = 1500;
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", ArrowUp: "neither", x: "neither", u: "undo" };

/** Shows the duels of a bake-off; `leave` goes back to the list. */
export async function vote(bakeoff, place, leave) {
  const screen = h("div", { className: "duel-place" });
  place.replaceChildren(screen);
  const who = kept.get("bakeoff-by", "");
  const by = who ? { by: who } : {};
  const query = new URLSearchParams({ count: AHEAD, ...by });
  const state = { queue: [], voted: 0, total: 0, waiting: 0, sending: 0 };
  let line = Promise.resolve();

  const take = (found) => {
    Object.assign(state, { voted: found.voted, total: found.total, waiting: found.waiting });
    const now = state.queue[0];
    const same = now && found.duels.findIndex((duel) => duel.left === now.left && duel.right === now.right);
    // While votes are on their way the pair that is looked at stays.
    state.queue = now && same > 0 ? found.duels.slice(same) : found.duels;
    state.queue.forEach(fetchAhead);
  };
  const load = async () => take(await get(`bakeoffs/${bakeoff.id}/duels?${query}`));
  const done = async () => {
    if (state.voted < state.total && !(await ask("Show the results?", `${state.total - state.voted} pairs are left. Once you have seen the names, your votes are no longer blind.`, "Show them"))) return;
    stop();
    results(bakeoff, place, leave);
  };
  const stop = () => document.removeEventListener("keydown", pressed, true);

  function cast(verdict) {
    const duel = state.queue[0];
    if (!duel) return;
    state.queue = state.queue.slice(1);
    state.voted += 1;
    state.sending += 1;
    paint();
    line = line.then(async () => {
      try {
        const found = await post(`bakeoffs/${bakeoff.id}/votes`, { left: duel.left, right: duel.right, verdict, count: AHEAD, ...by });
        state.sending -= 1;
        if (state.sending === 0) settle(found);
      } catch (error) {
        state.sending -= 1;
        toast(error.message, { bad: true });
        state.queue = [];
        await load().catch(() => {});
        paint();
      }
    });
  }

  function settle(found) {
    const before = state.queue[0]?.left;
    take(found);
    // Nothing moves under the eyes of whoever looks at a pair.
    if (state.queue[0]?.left !== before || !before) paint(); else head();
  }

  function undo() {
    line = line.then(async () => {
      try {
        state.queue = [];
        take(await remove(`bakeoffs/${bakeoff.id}/votes?${query}`));
      } catch (error) {
        toast(error.message, { bad: error.status !== 409 });
        await load().catch(() => {});
      }
      paint();
    });
  }

  function pressed(event) {
    if (!screen.isConnected) return stop();
    // Somebody went to another view meanwhile: its keys are no votes.
    if (!screen.checkVisibility()) return;
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const verdict = KEYS[event.key];
    if (!verdict) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (verdict === "undo") undo(); else cast(verdict);
  }

  const top = h("div", {});
  const stage = h("div", {});
  function head() {
    const duel = state.queue[0];
    top.replaceChildren(
      h("div", { className: "duel-head" },
        h("p", { className: "grow", aria: { live: "polite" } }, duel ? duel.prompt : bakeoff.name, duel ? " " : "", duel ? h("span", { className: "tag" }, duel.kind) : null),
        h("span", { className: "hint" }, `${state.voted} of ${count(state.total, "pair")}${state.waiting ? `, ${count(state.waiting, "picture")} to be drawn` : ""}`),
        h("button", { type: "button", className: "quiet", on: { click: name } }, who ? `You are ${who}` : "Say who you are"),
        h("button", { type: "button", on: { click: done }, disabled: !state.voted }, "Show the results"),
        h("button", { type: "button", className: "quiet", on: { click: () => { stop(); leave(); } } }, "Back")),
      h("progress", { value: state.voted, max: Math.max(state.total, 1), aria: { label: "Pairs you voted on" } }));
  }
  async function name() {
    const given = await askText("Who votes?", "Your name", "Vote as this person");
    if (!given) return;
    kept.set("bakeoff-by", given);
    stop();
    vote(bakeoff, place, leave);
  }
  function paint() {
    head();
    const duel = state.queue[0];
    if (!duel) return stage.replaceChildren(nothing());
    const side = (which, url) => h("button", { type: "button", aria: { label: `The ${which} one is better` }, on: { click: () => cast(which) } }, h("img", { src: url, alt: `${which === "left" ? "Left" : "Right"}: ${duel.prompt}` }));
    const key = (sign, title, work, more = {}) => h("button", { type: "button", on: { click: work }, ...more }, h("kbd", { aria: { hidden: "true" } }, sign), title);
    stage.replaceChildren(
      h("div", { className: "duel" }, side("left", duel.left_url), side("right", duel.right_url)),
      h("div", { className: "duel-keys" }, key("←", "Left", () => cast("left")), key("↓", "Equally good", () => cast("tie")), key("↑", "Both bad", () => cast("neither")), key("→", "Right", () => cast("right")), key("u", "Undo", undo, { className: "quiet", disabled: !state.voted })));
  }
  function nothing() {
    if (state.sending) return h("p", { className: "hint" }, "A moment …");
    if (state.waiting) {
      setTimeout(() => { if (screen.isConnected) load().catch(() => {}).then(paint); }, LOOK);
      return empty("Pictures are being drawn", `${count(state.waiting, "picture")} are still to come; the next pair appears by itself.`);
    }
    return empty(state.voted ? "That was the last pair" : "There is no pair to vote on", state.voted ? "Now see who won." : "It takes two pictures of one prompt.",
      state.voted ? h("div", { className: "buttons duel-keys" }, h("button", { type: "button", className: "primary", on: { click: done } }, "Show the results"), h("button", { type: "button", on: { click: undo } }, "Undo the last vote")) : null);
  }

  screen.append(top, stage);
  document.addEventListener("keydown", pressed, true);
  try {
    await load();
    paint();
  } catch (error) {
    stop();
    screen.replaceChildren(empty("No pairs", error.message, h("button", { type: "button", on: { click: leave } }, "Back")));
  }
}

const fetched = new Set();

function fetchAhead(duel) {
  for (const url of [duel.left_url, duel.right_url]) {
    if (fetched.has(url)) continue;
    fetched.add(url);
    new Image().src = url;
  }
}
