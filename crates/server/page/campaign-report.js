// What a campaign has become: counts, time and money against the plan, how satisfied people are, and what it would have cost
// elsewhere.

import { get, post } from "./api.js";
import { empty, h, toast } from "./dom.js";
import { paid, span } from "./costs-words.js";
import { count, money } from "./words.js";

export const title = "Report";

const SCORES = ["not at all", "a little", "so so", "well", "very"];
const REASONS = ["the look", "the subject", "on brand", "the words", "too alike", "speed"];
const STATES = ["draft", "in_review", "changes_asked", "approved", "archived"];
const ELSEWHERE = 8;

/** Fills the place with this part of the campaign. */
export async function show(campaign, place) {
  place.replaceChildren(h("p", { className: "hint" }, "Adding up …"));
  try {
    paint(await get(`campaigns/${campaign.id}/report`), campaign, place);
  } catch (error) {
    place.replaceChildren(empty("No report", error.message, h("button", { type: "button", on: { click: () => show(campaign, place) } }, "Try again")));
  }
}

function paint(report, campaign, place) {
  if (!report.pictures && !report.rows) return place.replaceChildren(empty("Nothing to report yet", "Add rows, draw drafts, and see here what they took."));
  const elsewhere = h("div", { className: "card report-wide" }, h("h3", {}, "The same campaign elsewhere"), h("p", { className: "hint" }, "Asking the planner …"));
  place.replaceChildren(head(report), h("div", { className: "report-grid" },
    card("Where it is", stages(report)), card("Plan and reality", against(report)), pulse(report, campaign, place), elsewhere));
  compare(report, campaign, elsewhere).catch((error) => elsewhere.replaceChildren(h("h3", {}, "The same campaign elsewhere"), h("p", { className: "hint" }, error.message)));
}

const card = (title, ...children) => h("div", { className: "card" }, h("h3", {}, title), ...children);
const cash = (amount, report) => money(Number(amount), report.currency);

function head(report) {
  const side = (value, title) => h("div", {}, h("b", {}, value), title);
  const big = report.cost_per_approved
    ? h("p", { className: "costs-big" }, h("b", {}, cash(report.cost_per_approved, report)), h("span", {}, " an approved asset"))
    : h("p", { className: "costs-big" }, h("b", {}, cash(report.spent, report)), h("span", {}, " so far, and nothing is approved yet"));
  return h("div", { className: "costs-head" }, big, h("div", { className: "big-numbers" },
    side(String(report.review.approved ?? 0), "approved"), side(String(report.pictures), "pictures drawn"), side(cash(report.spent, report), report.budget ? `of ${cash(report.budget, report)}` : "spent"),
    side(span(report.seconds), "of drawing"), side(span(report.approval_seconds), "to an approval, the median")));
}

/** Bars of `[title, value, words, class]`, the longest as wide as there is room. */
function bars(rows) {
  const most = Math.max(...rows.map(([, value]) => value), 1e-9);
  return h("dl", { className: "report-bars" }, ...rows.flatMap(([title, value, words, name = ""]) => [
    h("dt", {}, title), h("dd", { className: `track ${name}` }, h("i", { css: { "--share": `${(value / most) * 100}%` } })), h("dd", {}, words)]));
}

function stages(report) {
  const review = STATES.map((name) => [name.replaceAll("_", " "), report.review[name] ?? 0, String(report.review[name] ?? 0)]);
  const open = ["pending", "queued"].reduce((sum, name) => sum + (report.drafts[name] ?? 0) + (report.finals[name] ?? 0), 0);
  const failed = (report.drafts.failed ?? 0) + (report.finals.failed ?? 0);
  return h("div", {}, bars([["assets", report.rows, String(report.rows)], ["drafts", report.candidates, String(report.candidates)], ["picked", report.picked, String(report.picked)], ["finals", report.finals.done ?? 0, String(report.finals.done ?? 0)]]),
    h("h3", {}, "Review of the picks"), bars(review),
    open || failed ? h("p", { className: "hint" }, [open ? `${count(open, "job")} to be done` : "", failed ? `${failed} failed` : ""].filter(Boolean).join(", ")) : null);
}

function against(report) {
  const seconds = [["planned", report.planned_seconds, report.planned_seconds ? span(report.planned_seconds) : "nobody asked"], ["took", report.seconds, span(report.seconds), "own"]];
  const spent = Number(report.spent);
  const cost = report.seconds > 0 && report.planned_seconds > 0 ? (spent * report.planned_seconds) / report.seconds : null;
  const rows = [...(cost === null ? [] : [["planned", cost, money(cost, report.currency)]]), ["cost", spent, cash(report.spent, report), "own"], ...(report.budget ? [["budget", Number(report.budget), cash(report.budget, report)]] : [])];
  const ratio = report.planned_seconds > 0 && report.seconds > 0 ? report.seconds / report.planned_seconds : null;
  return h("div", {}, h("h3", {}, "Time of drawing"), bars(seconds), h("h3", {}, "Money"), bars(rows),
    ratio === null ? null : h("p", { className: "hint" }, Math.abs(ratio - 1) < 0.05 ? "As planned." : `It took ${ratio.toFixed(ratio < 10 ? 2 : 0)} times as long as planned.`),
    report.deadline ? h("p", { className: "hint" }, `Deadline: ${report.deadline}`) : null);
}

/** Two taps: how satisfied, and why. */
function pulse(report, campaign, place) {
  const { answers, mean, reasons } = report.satisfaction;
  const why = h("div", { className: "chips", hidden: true });
  let score = 0;
  const send = async (reason) => {
    try {
      await post(`campaigns/${campaign.id}/pulses`, { score, reason });
      toast("Thank you");
      show(campaign, place);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const scores = SCORES.map((text, i) => h("button", { type: "button", aria: { pressed: "false" }, on: { click: (event) => {
    score = i + 1;
    for (const one of scores) one.setAttribute("aria-pressed", String(one === event.currentTarget));
    why.hidden = false;
    why.querySelector("button").focus();
  } } }, h("b", {}, String(i + 1)), " ", h("small", {}, text)));
  why.append(h("p", { className: "hint" }, "Because of"), ...REASONS.map((reason) => h("button", { type: "button", className: "chip-button", on: { click: () => send(reason) } }, reason)),
    h("button", { type: "button", className: "quiet", on: { click: () => send("") } }, "no reason"));
  const told = Object.entries(reasons).sort((a, b) => b[1] - a[1]).map(([reason, times]) => `${reason} (${times})`).join(", ");
  return card("How satisfied are you?", h("div", { className: "pulse-scores", role: "group", aria: { label: "1 (not at all) to 5 (very)" } }, ...scores), why,
    h("p", { className: "hint" }, answers ? `${count(answers, "answer")}, ${mean.toFixed(1)} of 5 on average${told ? `: ${told}` : ""}.` : "Nobody has answered yet. Two taps: how, and why."));
}

async function compare(report, campaign, place) {
  const prices = await get("prices");
  const currencies = prices.offers.map((offer) => offer.currency);
  const currency = currencies.includes(report.currency) ? report.currency : currencies[0];
  const assets = report.review.approved || report.picked || report.rows;
  const size = "1024x1024";
  const drafts = report.candidates;
  const finals = report.finals.done ?? 0;
  const each = report.cost_per_approved ? Number(report.cost_per_approved) : Number(report.spent) / Math.max(assets, 1);
  const heading = h("h3", {}, "The same campaign elsewhere");
  if (!currency || !drafts) return place.replaceChildren(heading, h("p", { className: "hint" }, drafts ? "The catalogue has no offers." : "Nothing is drawn yet."));
  const planned = { assets, currency, size, preset: campaign.brief.preset, funnel: { drafts, finals, draft_preset: campaign.brief.draft_preset } };
  const answer = await post("prices/plan", { campaign: planned });
  const offers = answer.offers.filter((line) => line.kind !== "own_hw").slice(0, ELSEWHERE);
  const own = currency === report.currency ? [["here", each, money(each, currency), "own"]] : [];
  const rows = [...own, ...offers.map((line) => [line.id, Number(line.per_asset.amount), `${paid(line.per_asset)}${line.stale ? " *" : ""}`, `k-${line.kind}`])];
  const of = report.review.approved ? "approved asset" : report.picked ? "picked asset" : "asset";
  const an = of === "picked asset" ? "a" : "an";
  const here = own.length ? "" : ` Here ${an} ${of} cost ${money(each, report.currency)}; the catalogue is in ${currency}, and there is no exchange rate here.`;
  place.replaceChildren(heading,
    h("p", { className: "hint" }, `${count(drafts, "draft")} and ${count(finals, "final")} at ${size.replace("x", " × ")}, by cost of ${an} ${of}: the cheapest ${offers.length} of ${answer.offers.length} offers.${here}`),
    offers.length ? bars(rows) : h("p", {}, answer.summary),
    h("p", { className: "hint" }, offers.some((line) => line.stale) ? "* looked up more than 90 days ago. " : "", h("a", { href: "#costs" }, "All offers against volume")));
}
