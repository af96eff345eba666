// Slots of a prompt: which there are, their values as chips that can get more, and where an error of one is said.

import { ApiError } from "./api.js";
import { h } from "./dom.js";

/** Names of the slots in a prompt and its style, in their order. */
export const slotNames = (prompt, style) =>
  [...new Set([...`${prompt} ${style}`.replaceAll(/\{\{|\}\}/g, "").matchAll(/\{\s*([\w-]+)\s*\}/g)].map((found) => found[1]))].filter((slot) => slot !== "prompt");

/** Fields for `values`, lists by name, which they change; `changed` is called then. `show` says which slots there are, and which of
 * them have a column of the rows instead. */
export function slotFields(values, changed, props = {}) {
  const element = h("div", { className: "slots", ...props });
  let now = [];

  function show(names, columns = []) {
    now = [names, columns];
    const had = document.activeElement?.id;
    element.replaceChildren(...names.map((slot) => (columns.includes(slot)
      ? h("p", { className: "hint slot" }, h("b", {}, `{${slot}}`), " comes from its column of the rows")
      : editor(slot))), h("p", { className: "error", data: { error: "slots" }, role: "alert" }));
    if (had?.startsWith("slot-")) document.getElementById(had)?.focus();
  }

  function editor(slot) {
    values[slot] ??= [];
    const id = `slot-${slot}`;
    const again = () => { show(...now); changed(); document.getElementById(id)?.focus(); };
    const chip = (text, i) => h("span", { className: "value-chip" }, text,
      h("button", { type: "button", aria: { label: `Remove ${text}` }, on: { click: () => { values[slot].splice(i, 1); again(); } } }, "×"));
    const adder = h("input", { id, name: `brief.slots.${slot}`, maxLength: 400, placeholder: values[slot].length ? "one more" : "a value, then Enter", aria: { label: `A value of ${slot}` } });
    const add = () => {
      const given = adder.value.split(",").map((text) => text.trim()).filter((text) => text && !values[slot].includes(text));
      adder.value = "";
      if (!given.length) return;
      values[slot].push(...given);
      again();
    };
    adder.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === ",") { event.preventDefault(); add(); }
      if (event.key === "Backspace" && adder.value === "" && values[slot].length) { values[slot].pop(); again(); }
    });
    adder.addEventListener("blur", () => { if (adder.value.trim()) add(); });
    return h("div", { className: "slot" }, h("b", {}, `{${slot}}`), h("div", { className: "values" }, ...values[slot].map(chip), adder),
      h("p", { className: "error", data: { error: `brief.slots.${slot}` }, role: "alert" }));
  }

  return { element, show };
}

/** The error of a brief with the field that a form has for it: what is wrong with one value is said at its slot. */
export function atField(form, error) {
  const there = (field) => field && form.querySelector(`[data-error="${CSS.escape(field)}"]`);
  if (!error.field || there(error.field)) return error;
  const slot = /^brief\.slots\.[\w-]+/.exec(error.field)?.[0];
  const field = [slot, error.field.startsWith("brief.slots") ? "slots" : null, `brief.${error.field}`].find(there) ?? error.field;
  return new ApiError(error.status, { ...error, message: error.message, field });
}
