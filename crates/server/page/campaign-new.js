// A new campaign: the brief, its slots and rows, what the first of them become, and what all of it takes, before anything is drawn.

import { ApiError, get, post, remove } from "./api.js";
import { calm, choices, checked, fill, h, showError, toast } from "./dom.js";
import { columns, decode, records } from "./csv.js";
import { kept, known, model, modelItems } from "./state.js";
import { channels } from "./sizes.js";
import { atField, slotFields, slotNames } from "./slots.js";
import { count, money, presets, seconds } from "./words.js";

/** Rows that are shown, and mistakes. */
const FIRST = 12;
const MISTAKES = 20;
/** Longer files are sent as they are, after the brief. */
const LARGE = 4_000_000;

/** A field with its label and place for an error; `more` stands below. */
const field = (label, input, error, ...more) =>
  h("div", { className: "field grow" }, h("label", { htmlFor: input.id }, label), input, ...more, h("p", { className: "error", data: { error: `brief.${error}` }, role: "alert" }));
const input = (id, props = {}) => h("input", { id: `brief-${id}`, name: `brief.${id}`, ...props });

/** The form, with what it makes of the first rows beside it; `made` is called with the campaign. */
export function briefForm(made) {
  const last = kept.get("brief", {});
  const value = (name, usual = "") => last[name] ?? usual;
  const name = input("name", { maxLength: 100, placeholder: "Spring launch", value: value("name") });
  const audience = input("audience", { maxLength: 1000, placeholder: "people who cycle to work", value: value("audience") });
  const prompt = h("textarea", { id: "brief-prompt", name: "brief.prompt", rows: 3, maxLength: 32768, value: value("prompt", "a {colour} bicycle in {city}") });
  const style = input("style", { maxLength: 32768, placeholder: "a watercolour of {prompt}", value: value("style"), list: "brief-styles" });
  const styles = h("datalist", { id: "brief-styles" }, ...known.styles.map((one) => h("option", { value: one })));
  const negative = input("negative", { maxLength: 32768, placeholder: "such as: text, shadow", value: value("negative") });
  const candidates = input("candidates", { type: "number", min: 1, max: 64, value: value("candidates", 4), inputMode: "numeric" });
  const seed = input("seed", { inputMode: "numeric", placeholder: "its own", value: value("seed") });
  const deadline = input("deadline", { type: "date", value: value("deadline") });
  const budget = input("budget", { inputMode: "decimal", placeholder: "no limit", value: value("budget") });
  const kit = h("input", { id: "brief-kit", name: "brief.brand_kit", maxLength: 100, placeholder: "none", value: value("kit"), list: "brief-kits" });
  const kits = h("datalist", { id: "brief-kits" });
  const modelChoice = h("select", { id: "brief-model", name: "brief.model" });
  const drafts = h("select", { id: "brief-drafts", name: "brief.draft_preset" });
  const finals = h("select", { id: "brief-finals", name: "brief.preset" });
  const shape = h("select", { id: "brief-shape" });
  const size = input("size", { maxLength: 20, placeholder: "512x512", value: value("size") });
  const sizeField = field("Pixels", size, "size");
  const channelPlace = h("div", { className: "field" });
  const csv = h("textarea", { id: "brief-csv", rows: 5, spellcheck: false, placeholder: "id,city,headline\nkoeln,Köln,Hallo Köln\nparis,Paris,Salut Paris", value: value("csv") });
  const file = h("input", { type: "file", id: "brief-file", accept: ".csv,.tsv,.txt,text/csv" });
  const fileNote = h("p", { className: "hint", role: "status" });
  const label = h("b", {}, "Make it and draw the drafts"), planText = h("span", { id: "brief-plan" }, "\u00a0");
  const go = h("button", { type: "submit", className: "primary big", id: "brief-go" }, label, planText);
  const stage = h("div", { className: "stage first-rows", role: "group", aria: { live: "polite", label: "The first rows" } });
  /** Values of the slots by name; a large file instead of the text. */
  const values = { ...value("slots", { colour: ["red", "green"], city: ["Köln"] }) };
  const slots = slotFields(values, () => changed(), { id: "brief-slots" });
  let large = null, newest = 0;

  const form = h("form", { className: "panel", noValidate: true, autocomplete: "off", id: "brief-form" },
    h("h2", { className: "first" }, "New campaign"),
    field("Name", name, "name"),
    field("For whom", audience, "audience"),
    channelPlace,
    h("div", { className: "row" }, field("Deadline", deadline, "deadline"), field(`Budget, ${known.settings.currency}`, budget, "budget.amount")),
    h("p", { className: "error", data: { error: "brief.budget.currency" }, role: "alert" }),
    field("Brand kit", kit, "brand_kit"), kits,
    h("hr"),
    field("Prompt with slots", prompt, "prompt", h("p", { className: "hint" }, "Write {colour} where something changes. Its values stand below, or in a column of the rows.")),
    slots.element,
    field("Style", style, "style", h("p", { className: "hint" }, "Put after the prompt, or around it where {prompt} stands.")), styles,
    h("hr"),
    h("div", { className: "field" }, h("label", { htmlFor: "brief-csv" }, "Rows"), csv,
      h("label", { className: "drop low", htmlFor: "brief-file" }, h("b", {}, "Drop a CSV file"), h("span", {}, "or choose one: a column for each slot, and for texts such as a headline"), file), fileNote,
      h("p", { className: "error", data: { error: "csv" }, role: "alert" }), h("p", { className: "error", data: { error: "rows" }, role: "alert" })),
    h("details", { className: "more" }, h("summary", {}, "Model, size and number of drafts"),
      h("div", { className: "more-body" },
        h("div", { className: "row" }, field("Model", modelChoice, "model"), field("Drafts of each", candidates, "candidates")),
        h("div", { className: "row" }, field("Drafts", drafts, "draft_preset"), field("Finals", finals, "preset")),
        h("div", { className: "field" }, h("label", { htmlFor: "brief-shape" }, "Shape"), shape), sizeField,
        h("div", { className: "row" }, field("Seed", seed, "seed"), field("Keep away from", negative, "negative")))),
    h("div", { className: "action" }, go,
      h("button", { type: "button", className: "quiet wide", id: "brief-keep", on: { click: () => make(false) } }, "Only make it"),
      h("p", { className: "error", data: { error: "" }, role: "alert" })));

  const slotsNow = () => slotNames(prompt.value, style.value);
  const rowsText = () => (large ? large.head : csv.value);
  const columnsNow = () => (rowsText().trim() ? columns(rowsText()) : []);

  function brief(own = name.value.trim()) {
    const [names, there] = [slotsNow(), columnsNow()];
    const text = (element) => element.value.trim() || undefined;
    const wanted = shape.value === "custom" ? text(size) : shape.value.split("|")[1];
    const whole = Number(seed.value);
    return JSON.parse(JSON.stringify({
      name: own, audience: audience.value.trim(), channels: channelsChosen(), deadline: text(deadline),
      budget: text(budget) ? { amount: budget.value.trim().replace(",", "."), currency: known.settings.currency } : undefined,
      brand_kit: text(kit), model: modelChoice.value || undefined, draft_preset: drafts.value || undefined, preset: finals.value || undefined,
      candidates: Number(candidates.value), prompt: prompt.value.trim(), negative: negative.value.trim(), style: style.value.trim(), size: wanted,
      seed: seed.value.trim() === "" ? undefined : Number.isSafeInteger(whole) ? whole : seed.value.trim(),
      // A column replaces the values of its slot; what is no slot is a text beside the picture.
      slots: Object.fromEntries(names.filter((slot) => values[slot]?.length && !there.includes(slot)).map((slot) => [slot, values[slot]])),
      texts: there.filter((column) => column !== "id" && column !== "" && !names.includes(column)),
    }));
  }

  let channelsChosen = () => value("channels", []);

  const paintSlots = () => slots.show(slotsNow(), columnsNow());

  function modelChanged() {
    const now = model(modelChoice.value);
    const items = presets(now).map(([preset, title, note]) => [preset, note ? `${title} · ${note}` : title]);
    fill(drafts, items, drafts.value || value("draft_preset", "draft"));
    fill(finals, items, finals.value || value("preset", now.presets.at(-1)));
    fill(shape, channels(now), shape.value || value("shape"));
    sizeField.hidden = shape.value !== "custom";
  }

  const check = calm(async (own) => {
    try {
      const found = await post("campaigns", { brief: brief(name.value.trim() || "without a name"), csv: rowsText().trim() ? rowsText() : undefined, dry_run: FIRST });
      if (own !== newest) return;
      showError(form, null);
      showFirst(found);
    } catch (error) {
      if (own !== newest) return;
      planText.textContent = "cannot be drawn like this";
      refused(error);
    }
    planText.classList.remove("old");
  }, 300);

  function changed() {
    sizeField.hidden = shape.value !== "custom";
    const { slots: now, ...own } = brief();
    kept.set("brief", { ...own, budget: budget.value, kit: kit.value, shape: shape.value, size: size.value, slots: values, csv: large || csv.value.length > 100_000 ? "" : csv.value });
    planText.classList.add("old");
    check(++newest);
  }

  /** Mistakes in rows stand at their row and column, those of fields at the field. */
  function refused(error) {
    showError(form, error.rows?.length ? null : atField(form, error));
    if (error.rows?.length) stage.replaceChildren(mistakes(error.rows));
    else if (!stage.childElementCount) stage.replaceChildren(h("p", { className: "hint" }, "What the first rows become is shown here."));
  }

  function showFirst({ rows, errors, total, plan }) {
    const drawn = (total ?? 0) * Number(candidates.value);
    label.textContent = plan ? `Make it and draw ${count(drawn, "draft")}` : "Make it and draw the drafts";
    const both = plan && Number(plan.draft_seconds) + Number(plan.final_seconds);
    planText.textContent = plan
      ? `about ${seconds(plan.draft_seconds)} · ${money(Number(plan.draft_cost), plan.currency)}`
      : errors.length ? "the rows cannot be taken like this" : "said once all rows are read";
    stage.replaceChildren(...[
      errors.length ? mistakes(errors) : null,
      plan ? bigNumbers(plan, both) : null,
      rows.length ? table(rows, total) : null,
      !rows.length && !errors.length ? h("p", { className: "hint" }, "Give the slots values, or rows, and see here what becomes of them.") : null,
    ].filter(Boolean));
  }

  function bigNumbers(plan, both) {
    const number = (big, small) => h("div", {}, h("b", {}, big), small);
    const per = plan.cost_per_asset ? money(Number(plan.cost_per_asset), plan.currency) : "–";
    return h("div", {},
      h("div", { className: "big-numbers" }, number(String(plan.rows), "rows"), number(String(plan.drafts), "drafts"), number(String(plan.finals), "finals, one a row"),
        number(seconds(both), "of drawing in all"), number(money(Number(plan.cost), plan.currency), "in all"), number(per, "a finished picture")),
      plan.fits ? null : h("p", { className: "notice" }, `That passes the budget of ${money(Number(plan.budget), plan.currency)}: the run will stop before.`));
  }

  function table(rows, total) {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
    const head = (text) => h("th", { scope: "col" }, text);
    const row = (one) => h("tr", {}, h("th", { scope: "row" }, one.key), h("td", { className: "prompt" }, one.prompt), ...names.map((slot) => h("td", {}, one.values[slot] ?? "")));
    const more = total === null ? "" : total > rows.length ? ` and ${total - rows.length} more` : "";
    return h("section", { className: "card" }, h("h3", {}, `The first ${count(rows.length, "row")}${more}`),
      h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "The first rows" } },
        h("table", { className: "first-table" }, h("thead", {}, h("tr", {}, head("Name"), head("Prompt"), ...names.map(head))), h("tbody", {}, ...rows.map(row)))));
  }

  /** The rows that are wrong, as they stand in the file, with what is wrong in its cell. */
  function mistakes(errors) {
    const shown = errors.slice(0, MISTAKES);
    const all = records(rowsText(), Math.max(...shown.map((error) => error.row)) + 1);
    const names = all[0]?.map((column) => column.trim()) ?? [];
    const cell = (error, column, i) => h("td", { className: error.column === column ? "wrong" : "" }, all[error.row]?.[i] ?? "",
      error.column === column ? h("span", { className: "error" }, error.message) : null);
    const row = (error) => h("tr", {}, h("th", { scope: "row" }, `Row ${error.row}`, h("small", {}, ` line ${error.line}`)), ...names.map((column, i) => cell(error, column, i)),
      names.includes(error.column) ? null : h("td", { className: "wrong" }, h("span", { className: "error" }, error.column ? `${error.column}: ${error.message}` : error.message)));
    return h("section", { className: "card" }, h("h3", {}, `${count(errors.length, "row is", "rows are")} wrong; nothing is taken until all are right`),
      h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "What is wrong" } },
        h("table", { className: "first-table", id: "brief-mistakes" }, h("thead", {}, h("tr", {}, h("td", {}), ...names.map((column) => h("th", { scope: "col" }, column)))), h("tbody", {}, ...shown.map(row)))));
  }

  let sending = false;
  async function make(draws) {
    if (sending) return;
    sending = true;
    go.disabled = true;
    try {
      if (!name.value.trim()) throw new ApiError(400, { code: "invalid_field", field: "brief.name", message: "give it a name" });
      const campaign = await keep();
      if (draws) await post(`campaigns/${campaign.id}/run`, { stage: "drafts" }).catch((error) => toast(error.message, { bad: true }));
      kept.set("brief", { ...kept.get("brief", {}), name: "", csv: "" });
      made(campaign);
    } catch (error) {
      refused(error);
      form.querySelector("[aria-invalid]")?.focus();
    } finally {
      sending = false;
      go.disabled = false;
    }
  }

  async function keep() {
    const own = rowsText().trim();
    if (!large) return post("campaigns", { brief: brief(), csv: own ? csv.value : undefined });
    const campaign = await post("campaigns", { brief: brief() });
    const response = await fetch(`/api/v1/campaigns/${campaign.id}/rows`, { method: "POST", headers: { "content-type": "text/csv" }, body: large.file });
    if (response.ok) return campaign;
    const { error } = await response.json();
    await remove(`campaigns/${campaign.id}`);
    throw new ApiError(response.status, error);
  }

  async function take(chosen) {
    if (!chosen) return;
    try {
      const is_large = chosen.size > LARGE;
      const part = decode(await (is_large ? chosen.slice(0, 262_144) : chosen).arrayBuffer().then((bytes) => (is_large ? bytes.slice(0, new Uint8Array(bytes).lastIndexOf(10) + 1) : bytes)));
      large = is_large ? { file: chosen, head: part } : null;
      csv.value = part.replace(/^\ufeff/, "");
      csv.readOnly = is_large;
      fileNote.textContent = is_large ? `${chosen.name}: the beginning is shown, the whole file will be sent.` : chosen.name;
    } catch (error) {
      fileNote.textContent = "";
      showError(form, new ApiError(400, { code: "invalid_field", field: "csv", message: error.message }));
      return;
    } finally {
      file.value = "";
    }
    paintSlots();
    changed();
  }

  file.addEventListener("change", () => take(file.files[0]));
  for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    form.querySelector(".drop").addEventListener(event, (dragged) => {
      dragged.preventDefault();
      form.querySelector(".drop").classList.toggle("over", over);
      if (event === "drop") take(dragged.dataTransfer.files[0]);
    });
  }
  for (const element of [prompt, style, csv]) element.addEventListener("input", () => paintSlots());
  modelChoice.addEventListener("change", modelChanged);
  form.addEventListener("input", (event) => { if (!event.target.id.startsWith("slot-")) changed(); });
  form.addEventListener("change", (event) => { if (event.target.tagName === "SELECT") changed(); });
  form.addEventListener("submit", (event) => (event.preventDefault(), make(true)));

  fill(modelChoice, modelItems(), value("model"));
  modelChanged();
  paintSlots();
  channelField(channelPlace, value("channels", [])).then((read) => { channelsChosen = read; changed(); });
  get("kits").then((found) => kits.append(...found.map((one) => h("option", { value: one.name })))).catch(() => {});
  return h("div", { className: "split brief" }, form, stage);
}

/** Channels to choose from, or where the server lists none, a field for their names; gives what reads them. */
async function channelField(place, chosen) {
  const listed = await get("channels").catch(() => []);
  if (!listed.length) {
    const text = h("input", { id: "brief-channels", placeholder: "meta.feed.4x5, email.hero", value: chosen.join(", ") });
    place.replaceChildren(h("label", { htmlFor: "brief-channels" }, "Channels, with commas between"), text, h("p", { className: "error", data: { error: "brief.channels" }, role: "alert" }));
    return () => text.value.split(",").map((name) => name.trim()).filter(Boolean);
  }
  const chips = h("div", { className: "chips" });
  choices(chips, "checkbox", "channel", listed.map(({ id, width, height }) => [id, id, `${width} × ${height}`]), chosen);
  const number = h("span", { className: "hint" });
  const told = () => { const now = checked(chips); number.textContent = now.length ? ` · ${now.length} chosen` : ""; };
  chips.addEventListener("change", told);
  told();
  place.replaceChildren(h("details", { className: "channels", open: false }, h("summary", {}, "Channels", number), chips), h("p", { className: "error", data: { error: "brief.channels" }, role: "alert" }));
  return () => checked(chips);
}
