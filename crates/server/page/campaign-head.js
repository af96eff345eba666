// The head of a campaign: where it is, what it spent of its budget, what there is to draw with what that takes, and its end.

import { get, news, post, remove } from "./api.js";
import { at, calm, h, toast } from "./dom.js";
import { known } from "./state.js";
import { count, money, seconds } from "./words.js";

/** Tells parts of a campaign that it changed: an event `campaign` with `{campaign, plan}`. */
export const changes = new EventTarget();
/** Asks the head to look again, as after picks. */
export const lookAgain = () => changes.dispatchEvent(new Event("look"));

const STATES = { ready: ["Ready", ""], running: ["Drawing", "busy"], paused: ["Paused", ""], stopped: ["Stopped", "bad"], cancelled: ["Cancelled", ""] };
const DAY = 86_400_000;

export const stateTag = ({ state, progress }) => {
  const [words, kind] = STATES[state] ?? [state, ""];
  const done = state === "ready" && progress.picked > 0 && progress.approved === progress.picked;
  return h("span", { className: `tag ${done ? "good" : kind}`, data: { state } }, done ? "Approved" : words);
};

/** How long it is until a day, or nothing. */
export function untilDeadline(day) {
  if (!day) return null;
  const left = Math.ceil((new Date(`${day}T23:59:59`) - Date.now()) / DAY) - 1;
  const words = left < 0 ? `${count(-left, "day")} late` : left === 0 ? "due today" : left <= 60 ? `due in ${count(left, "day")}` : `due ${new Date(`${day}T12:00:00`).toLocaleDateString(undefined, { dateStyle: "medium" })}`;
  return h("span", { className: left < 0 ? "hint warn" : "hint", title: day }, words);
}

/** A share as a bar. */
export function meter(value, whole, label) {
  const share = whole > 0 ? Math.min(1, value / whole) : 0;
  return h("div", { className: share >= 0.9 && label.includes("budget") ? "meter near" : "meter", role: "meter",
    aria: { label, valuenow: String(Math.round(share * 100)), valuemin: "0", valuemax: "100" } },
    h("i", { css: { width: `${(share * 100).toFixed(1)}%` } }));
}

const takes = ({ seconds: time, cost }, currency) => `about ${seconds(time)} · ${money(Number(cost), currency)}`;

/** A button that draws a stage, with what it takes; it keeps itself up to date. */
export function stageButton(campaign, stage, signal) {
  const label = h("b", {}), note = h("span", {});
  const button = h("button", { type: "button", className: "run-stage", data: { stage }, on: { click: () => draw(campaign.id, stage) } }, label, note);
  const paint = ({ campaign: now, plan }) => {
    const left = plan?.[`${stage}_left`];
    button.hidden = now.state === "running" || left?.pictures === 0 || (stage === "finals" && !now.progress.picked);
    button.disabled = !left;
    label.textContent = `Draw ${left ? count(left.pictures, stage.slice(0, -1)) : stage}`;
    note.textContent = left?.pictures ? takes(left, plan.currency) : "";
    button.classList.toggle("primary", Boolean(left?.pictures) && (stage === "finals" || !plan?.finals_left.pictures));
  };
  paint(latest?.campaign.id === campaign.id ? latest : { campaign, plan: null });
  changes.addEventListener("campaign", ({ detail }) => { if (detail.campaign.id === campaign.id) paint(detail); }, { signal });
  return button;
}

let latest = null;

async function draw(id, stage) {
  try {
    await post(`campaigns/${id}/run`, { stage });
    lookAgain();
  } catch (error) {
    toast(error.field ? `${error.field}: ${error.message}` : error.message, { bad: true });
  }
}

/** The head of a campaign; `gone` is called when it was deleted. */
export function headOf(campaign, gone) {
  const element = h("header", { className: "campaign-head" });
  const over = new AbortController();
  const { signal } = over;
  const buttons = [stageButton(campaign, "drafts", signal), stageButton(campaign, "finals", signal)];
  let now = campaign, plan = null;

  const act = (what) => async () => {
    try {
      show(await post(`campaigns/${campaign.id}/${what}`));
      look();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const button = (title, what) => h("button", { type: "button", on: { click: act(what) } }, title);
  const controls = { Pause: button("Pause", "pause"), Resume: button("Go on", "resume"), Cancel: button("Cancel", "cancel") };
  const facts = h("p", { className: "hint facts-line" });
  const tags = h("p", { className: "together" });
  const bar = h("div", { className: "budget" });
  const reason = h("p", { className: "notice", role: "status", hidden: true });
  element.append(
    h("div", { className: "campaign-title" },
      h("a", { className: "button quiet", href: "#campaigns" }, "‹ All"), h("h2", {}, campaign.name), tags,
      h("div", { className: "buttons" }, ...buttons, ...Object.values(controls),
        h("button", { type: "button", className: "quiet danger", on: { click: () => deleteIt(now, gone) } }, "Delete"))),
    bar, facts, reason);

  function show(found) {
    now = found;
    tags.replaceChildren(stateTag(now), untilDeadline(now.brief.deadline) ?? "");
    controls.Pause.hidden = now.state !== "running";
    controls.Resume.hidden = !["paused", "stopped"].includes(now.state);
    controls.Cancel.hidden = !["running", "paused"].includes(now.state);
    reason.hidden = !now.reason;
    reason.textContent = now.reason ? `It stopped: ${now.reason}` : "";
    paintMoney();
    if (plan) tell();
  }

  function paintMoney() {
    const budget = now.brief.budget;
    const currency = budget?.currency ?? plan?.currency ?? known.settings.currency;
    const spent = money(Number(now.spent), currency);
    bar.replaceChildren(...(budget ? [meter(Number(now.spent), Number(budget.amount), "Spent of the budget"),
      h("span", { className: "hint" }, `${spent} of ${money(Number(budget.amount), currency)}`)] : []));
    const { drafted, picked, finals, approved, failed } = now.progress;
    facts.textContent = [
      `${drafted} of ${count(now.rows, "row")} drafted`, picked ? `${picked} picked, ${finals} finished, ${approved} approved` : "",
      failed ? `${failed} failed: drawing again tries them` : "",
      now.seconds ? `took ${seconds(now.seconds)}${now.planned_seconds ? `, ${seconds(now.planned_seconds)} were planned` : ""}` : "",
      budget ? "" : `${spent} spent`,
      plan && !plan.fits ? `all of it would cost ${money(Number(plan.cost), currency)}, more than the budget` : "",
    ].filter(Boolean).join(" · ");
  }

  const tell = () => {
    latest = { campaign: now, plan };
    changes.dispatchEvent(new CustomEvent("campaign", { detail: latest }));
  };

  async function look() {
    if (!element.isConnected) return;
    try {
      const [found, planned] = await Promise.all([get(`campaigns/${campaign.id}`), post(`campaigns/${campaign.id}/plan`).catch(() => null)]);
      plan = planned ?? plan;
      show(found);
      if (!plan) tell();
      // What is not told by jobs, as the end of the last one, is seen a moment later.
      if (found.state === "running") again();
    } catch (error) {
      if (error.status === 404) over.abort();
    }
  }
  const again = calm(look, 1200);
  const soon = calm(look, 300);
  changes.addEventListener("look", soon, { signal });
  const ofThis = ({ detail }) => {
    if (!element.isConnected) return over.abort();
    if (detail.batch === campaign.id) soon();
  };
  for (const name of ["job", "done"]) news.addEventListener(name, ofThis, { signal });
  show(campaign);
  setTimeout(look);
  return { element, show };
}

/** Deletes a campaign after a question that says what goes and what stays. */
async function deleteIt(campaign, gone) {
  const dialog = at("ask");
  const box = h("input", { type: "checkbox", id: "ask-pictures" });
  dialog.replaceChildren(h("form", { method: "dialog" },
    h("h2", { id: "ask-title" }, `Delete “${campaign.name}”?`),
    h("p", {}, `Its ${count(campaign.rows, "row")}, picks, review, comments, share links and votes go. What it cost stays in the books. This cannot be undone.`),
    campaign.pictures ? h("label", { className: "check" }, box, `Delete its ${count(campaign.pictures, "picture")}, too`) : null,
    campaign.pictures ? h("p", { className: "hint" }, "Without this they stay in the library. Favourites, rated and tagged pictures and those that others came from stay in any case.") : null,
    h("div", { className: "buttons" }, h("button", { value: "" }, "Keep"), h("button", { value: "yes", className: "danger" }, "Delete"))));
  dialog.returnValue = "";
  dialog.showModal();
  const answer = await new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
  if (answer !== "yes") return;
  try {
    const { removed, kept } = await remove(`campaigns/${campaign.id}?pictures=${box.checked}`);
    toast(`“${campaign.name}” is deleted. ${removed ? `${count(removed, "picture")} went with it; ` : ""}${count(kept, "picture")} stay in the library.`);
    if (removed) document.dispatchEvent(new Event("removed"));
    gone();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
