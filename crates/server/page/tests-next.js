// The next round: a campaign with the recipe of one picture of a test, whose words may be changed before.

import { get, post } from "./api.js";
import { empty, fill, h, showError, toast } from "./dom.js";
import { planned } from "./plan.js";
import { atField, slotFields, slotNames } from "./slots.js";
import { known } from "./state.js";
import { count, money, seconds } from "./words.js";

/** Drafts of each row when nobody says another number. */
const DRAFTS = 8;
const PAGE = 200;

const error = (field) => h("p", { className: "error", data: { error: field }, role: "alert" });
const labelled = (text, input, field) => h("div", { className: "field grow" }, h("label", { htmlFor: input.id }, text), input, error(field));

/** One button that begins the next round, and beside it, folded away, the words of its picture. */
export function nextOf(test, report) {
  const { winner } = report.answer;
  const proved = winner !== undefined;
  const select = h("select", { id: "tests-next", "aria-label": "Picture to go on from", hidden: proved });
  fill(select, test.creatives.map(({ key, name }) => [key, name]), test.creatives[winner ?? 0].key);
  const button = h("button", { className: proved ? "primary" : "" }, proved ? `Begin the next round from ${test.creatives[winner].name}` : "Go on from this one, though nothing is proved");
  const place = h("div", {});
  const details = h("details", { className: "tests-words" }, h("summary", {}, "Change its words first"), place);
  const plan = h("p", { className: "hint", role: "status" });
  const rounds = Object.entries(test.next);
  const form = h("form", { className: "card tests-next", noValidate: true, autocomplete: "off" }, h("h3", {}, "The next round"),
    h("p", { className: "hint" }, "A new campaign with the recipe of one picture: its words, style and model. The first draft is the picture itself, the others are its neighbours."),
    h("div", { className: "buttons" }, select, button), error("creative"), error(""), plan, details,
    rounds.length ? h("p", { className: "hint" }, "Made already: ", ...rounds.flatMap(([id, name], i) => [i ? ", " : "", h("a", { href: `#campaigns/${id}` }, name)])) : null);
  /** What the fields say, once somebody has opened them. */
  let words = null, asked = 0;

  async function open() {
    if (!details.open || words) return;
    const own = ++asked;
    place.replaceChildren(h("p", { className: "hint", role: "status" }, "Reading its words…"));
    try {
      const recipe = await recipeOf(test.creatives.find(({ key }) => key === select.value));
      if (own !== asked) return;
      words = wordsOf(recipe, form, plan);
      place.replaceChildren(words.element);
    } catch (problem) {
      if (own === asked) place.replaceChildren(empty("Its words cannot be read", problem.message, h("button", { type: "button", on: { click: open } }, "Try again")));
    }
  }

  details.addEventListener("toggle", open);
  select.addEventListener("change", () => {
    asked += 1;
    words = null;
    plan.textContent = "";
    place.replaceChildren();
    showError(form, null);
    open();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const made = await post(`experiments/${test.id}/next`, { creative: select.value, ...words?.read() });
      toast(`${made.name} begins with seed ${made.seed}.`);
      location.hash = `#campaigns/${made.campaign}`;
    } catch (problem) {
      showError(form, atField(form, problem));
      form.querySelector("[aria-invalid]")?.focus();
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

/** The brief of a picture, with what stood in its slots; of one that no campaign drew, its own words. */
async function recipeOf({ candidate, asset }) {
  const drawn = candidate ? await get(`candidates/${candidate}`).then((found) => found.candidate).catch((problem) => { if (problem.status !== 404) throw problem; return null; }) : null;
  if (!drawn) {
    if (!asset) throw new Error("its picture was removed, and its recipe with it");
    const { prompt, model, width, height } = await get(`assets/${asset}`);
    return { brief: { model, size: `${width}x${height}`, style: "", prompt: prompt.replaceAll(/[{}]/g, "$&$&") }, values: {} };
  }
  const [{ brief, project }, row] = await Promise.all([get(`campaigns/${drawn.campaign}`), rowOf(drawn)]);
  const values = slotNames(brief.prompt, brief.style).filter((slot) => typeof row?.values[slot] === "string").map((slot) => [slot, [row.values[slot]]]);
  return { brief, project, values: Object.fromEntries(values) };
}

async function rowOf({ campaign, row }) {
  for (let offset = 0; ; offset += PAGE) {
    const { rows, total } = await get(`campaigns/${campaign}/rows?${new URLSearchParams({ search: row, limit: PAGE, offset })}`);
    const found = rows.find(({ key }) => key === row);
    if (found || offset + PAGE >= total) return found ?? null;
  }
}

/** Fields for the words of a recipe. `read` gives those of the request; what they make is said at `plan`. */
function wordsOf({ brief, project, values: own }, form, plan) {
  const values = structuredClone(own);
  const prompt = h("textarea", { id: "next-prompt", name: "brief.prompt", rows: 2, maxLength: 32768, value: brief.prompt });
  const style = h("input", { id: "next-style", name: "brief.style", maxLength: 32768, value: brief.style, placeholder: "none", list: "next-styles" });
  const candidates = h("input", { id: "next-candidates", name: "brief.candidates", type: "number", min: 1, max: 64, value: DRAFTS, inputMode: "numeric" });
  const name = h("input", { id: "next-name", name: "brief.name", maxLength: 100, placeholder: "that of the next round" });
  const slots = slotFields(values, tell);
  const names = () => slotNames(prompt.value, style.value);
  const element = h("div", { className: "tests-words-body" },
    slots.element,
    labelled("Prompt", prompt, "brief.prompt"), labelled("Style", style, "brief.style"), h("datalist", { id: "next-styles" }, ...known.styles.map((one) => h("option", { value: one }))),
    h("div", { className: "row" }, labelled("Drafts of each", candidates, "brief.candidates"), labelled("Name", name, "brief.name")));

  function read() {
    const now = names();
    return {
      prompt: prompt.value.trim(), style: style.value.trim(), candidates: Number(candidates.value), ...(name.value.trim() ? { name: name.value.trim() } : {}),
      slots: Object.fromEntries(now.map((slot) => [slot, values[slot] ?? []])),
    };
  }

  /** Whether the picture itself is still among what would be drawn. */
  const isThere = ({ prompt: now, style: then, slots: given }) =>
    now === brief.prompt.trim() && then === brief.style.trim() && Object.entries(own).every(([slot, [value]]) => given[slot]?.includes(value));

  const say = planned(plan, form, async () => {
    const request = read();
    const { deadline, seed, ...rest } = brief;
    try {
      const { total, plan: found } = await post("campaigns", { brief: { ...rest, texts: [], name: "without a name", ...request }, project, dry_run: 1 });
      const takes = found ? `, about ${seconds(found.draft_seconds)} · ${money(Number(found.draft_cost), found.currency)}` : "";
      return `That makes ${count(total * request.candidates, "draft")}${total > 1 ? `, ${request.candidates} of each of ${total} rows` : ""}${takes}.${isThere(request) ? "" : " The picture itself is not among them: its words are others."}`;
    } catch (problem) {
      throw atField(form, problem);
    }
  });
  function tell() { say(); }
  for (const input of [prompt, style]) input.addEventListener("input", () => slots.show(names()));
  element.addEventListener("input", (event) => { if (!event.target.id.startsWith("slot-")) tell(); });
  slots.show(names());
  tell();
  return { element, read };
}
