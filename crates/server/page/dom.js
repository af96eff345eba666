// Making and finding elements. Nothing here knows pictures.

/** The element of an id. */
export const at = (id) => document.getElementById(id);

/** An element with properties and children; `on` holds listeners, `data` and `aria` attributes of these families. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) put(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function put(element, name, value) {
  if (value === null || value === undefined) return;
  if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
  else if (name === "css") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
  else if (name in element && name !== "list" && name !== "form") element[name] = value;
  else element.setAttribute(name, value);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Calls `work` once it has not been asked for during `wait` milliseconds. */
export function calm(work, wait = 250) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
}

/** Fills a select with `[value, text]` pairs, or `[title, pairs]` groups, and keeps what was chosen if it is still there. */
export function fill(select, items, chosen = select.value) {
  select.replaceChildren(...items.map(([value, text]) => (Array.isArray(text) ? group(value, text) : option(value, text))));
  if ([...select.options].some((known) => known.value === chosen)) select.value = chosen;
}

const option = (value, text) => h("option", { value, textContent: text });
const group = (label, items) => h("optgroup", { label }, ...items.map(([value, text]) => option(value, text)));

/** Radios or checkboxes that look like chips; `items` are `[value, title, note]`. */
export function choices(place, type, name, items, chosen) {
  const one = ([value, title, note]) =>
    h("label", { className: "chip" },
      h("input", { type, name, value, checked: chosen.includes(value) }),
      h("span", {}, title, note ? h("small", {}, note) : null));
  place.replaceChildren(...items.map(one));
}

/** Values of the checked inputs inside an element. */
export const checked = (place) => [...place.querySelectorAll("input:checked")].map((input) => input.value);

/** Says something for a while; with `action` as `[title, work]` a button beside it. */
export function toast(text, { bad = false, action = null } = {}) {
  const note = h("div", { className: bad ? "toast bad" : "toast" }, h("span", {}, text));
  if (action) note.append(h("button", { type: "button", on: { click: () => (note.remove(), action[1]()) } }, action[0]));
  note.append(h("button", { type: "button", className: "icon", aria: { label: "Close" }, on: { click: () => note.remove() } }, "×"));
  at("toasts").append(note);
  setTimeout(() => note.remove(), bad ? 12000 : 6000);
}

/** Asks before something that cannot be undone; true if the answer is yes. */
export function ask(title, text, yes) {
  const dialog = at("ask");
  dialog.replaceChildren(h("form", { method: "dialog" },
    h("h2", { id: "ask-title" }, title), h("p", {}, text),
    h("div", { className: "buttons" },
      h("button", { value: "" }, "Keep"), h("button", { value: "yes", className: "danger" }, yes))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Asks for a few words; empty if there is no answer. */
export function askText(title, label, yes) {
  const dialog = at("ask");
  const input = h("input", { id: "ask-words", maxLength: 100, required: true });
  dialog.replaceChildren(h("form", { method: "dialog" },
    h("h2", { id: "ask-title" }, title),
    h("div", { className: "field" }, h("label", { htmlFor: "ask-words" }, label), input),
    h("div", { className: "buttons" },
      h("button", { type: "button", on: { click: () => dialog.close() } }, "Not now"), h("button", { value: "yes", className: "primary" }, yes))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value.trim() : ""), { once: true }));
}

/** Pixels at the top of the window that lie below the bar. */
const HEADER = 60;

/** Shows errors beside the fields they name, in a form; `error` null clears them. What no field claims is said by itself. */
export function showError(form, error) {
  for (const place of form.querySelectorAll("[data-error]")) place.textContent = "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  if (!error) return;
  const named = error.field ? form.querySelector(`[data-error="${CSS.escape(error.field)}"]`) : null;
  const place = named ?? form.querySelector('[data-error=""]');
  if (!place) return toast(error.message, { bad: true });
  place.textContent = named ? sentence(error.message) : sentence(error.field ? `${error.field}: ${error.message}` : error.message);
  mark(form, place, error.field);
}

function mark(form, place, field) {
  const hidden = place.closest("details:not([open])");
  if (hidden) hidden.open = true;
  const input = field && form.querySelector(`[name="${CSS.escape(field)}"]`);
  if (input) input.setAttribute("aria-invalid", "true");
  // Who pressed a button far below should see why nothing happened; who types stays where they are.
  const types = form.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  const { top, bottom } = place.getBoundingClientRect();
  if (!types && (top < HEADER || bottom > innerHeight)) (input ?? place).scrollIntoView({ block: "center" });
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What to do where nothing is yet. */
export const empty = (title, text, ...more) =>
  h("div", { className: "empty" }, h("h2", {}, title), h("p", {}, text), ...more);
