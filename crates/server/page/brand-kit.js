// The editor of a brand kit: colours, fonts, logos, words. What is typed is seen at once and kept as a new version when asked for.

import { get, post, upload } from "./api.js";
import { h, showError, toast } from "./dom.js";
import { when } from "./words.js";

const ROLES = ["background", "text", "primary", "on-primary", "accent", "on-accent"];
const GROUNDS = ["light", "dark", "picture"];
const CORNERS = [["", "Any corner"], ["top-left", "Top left"], ["top-right", "Top right"], ["bottom-left", "Bottom left"], ["bottom-right", "Bottom right"]];

/** The editor of a kit. `changed` gets rules that are not kept yet, `saved` the kit when it was kept. */
export function editor(view, { changed, saved }) {
  if (!view.id) return h("p", { className: "hint" }, "The starter kit cannot be changed: choose “New kit…” to begin with its colours.");
  const rules = structuredClone(view.kit);
  const body = h("form", { className: "kit-form", noValidate: true, autocomplete: "off" });
  const tell = () => changed(rules);
  const paint = () => body.replaceChildren(...[
    section("Colours", colours(rules, tell, paint)), section("Fonts", fonts(rules, view, tell, paint)), section("Logos", logos(rules, view, tell, paint)),
    section("Words for prompts", words(rules, tell)), lacks(view), h("p", { className: "error", data: { error: "" }, role: "alert" }), buttons(view), versions(view, saved)].filter(Boolean));
  body.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      saved(await post(`kits/${view.id}/versions`, { kit: rules, after: view.newest }));
      toast(`Version ${view.newest + 1} of ${view.name} is kept`);
    } catch (error) {
      showError(body, error);
    }
  });
  paint();
  body.addEventListener("publish", () => publish(view, saved, body));
  const box = h("details", { className: "more" }, h("summary", {}, `Edit ${view.name}`), body);
  box.addEventListener("toggle", () => { if (box.open) box.scrollIntoView({ block: "nearest" }); });
  return box;
}

const section = (title, ...inside) => h("fieldset", { className: "field kit-part" }, h("legend", {}, title), ...inside);
const add = (title, work) => h("button", { type: "button", className: "quiet", on: { click: work } }, `+ ${title}`);
const gone = (name, work) => h("button", { type: "button", className: "icon", aria: { label: `Remove ${name}` }, on: { click: work } }, "×");

function input(label, value, take, more = {}) {
  const { events = ["input"], ...props } = more;
  const on = Object.fromEntries(events.map((event) => [event, (e) => take(e.target.value)]));
  return h("input", { value, aria: { label }, on, ...props });
}

const number = (label, value, [min, max, step], take) => input(label, value, (text) => take(Number(text)), { type: "number", min, max, step, title: label });

function select(label, items, value, take) {
  const options = items.map(([key, text]) => h("option", { value: key, textContent: text }));
  const made = h("select", { aria: { label }, on: { change: () => take(made.value) } }, ...options);
  made.value = value ?? "";
  return made;
}

function drop(list, at, tell, paint) {
  list.splice(at, 1);
  paint();
  tell();
}

function colours(rules, tell, paint) {
  const row = (colour, i) => {
    const hex = input(`Colour ${i + 1} as #rrggbb`, colour.value, (text) => { if (/^#[0-9a-f]{6}$/i.test(text)) { colour.value = text.toLowerCase(); well.value = colour.value; tell(); } }, { maxLength: 7, className: "hex" });
    const well = input(`Colour ${i + 1}`, colour.value, (text) => { colour.value = text; hex.value = text; tell(); }, { type: "color" });
    const role = input(`What colour ${i + 1} is for`, colour.role, (text) => { colour.role = text.trim(); tell(); }, { maxLength: 60 });
    role.setAttribute("list", "kit-roles");
    return h("div", { className: "kit-row" }, well, role, hex,
      number(`Tolerance of colour ${i + 1} (CIEDE2000)`, colour.tolerance, [0, 100, 1], (value) => { colour.tolerance = value; tell(); }), gone(colour.role, () => drop(rules.colours, i, tell, paint)));
  };
  const next = () => ROLES.find((role) => !rules.colours.some((colour) => colour.role === role)) ?? `colour-${rules.colours.length + 1}`;
  return h("div", {}, h("datalist", { id: "kit-roles" }, ...ROLES.map((value) => h("option", { value }))), ...rules.colours.map(row),
    add("colour", () => { rules.colours.push({ role: next(), value: "#888888", tolerance: 10 }); paint(); tell(); }));
}

/** A field that puts a file beside the kit; `took` gets what the server says about it. */
function uploader(label, accept, view, took) {
  const field = h("input", { type: "file", accept, aria: { label } });
  field.addEventListener("change", async () => {
    const given = field.files[0];
    if (!given) return;
    try {
      const name = accept.startsWith("image") ? `${given.name.replace(/\.[^.]*$/, "")}.png` : given.name;
      const safe = name.replace(/[^\p{L}\p{N}._ -]/gu, "-");
      took(await upload(`kits/${view.id}/files/${encodeURIComponent(safe)}`, given, "PUT"));
    } catch (error) {
      toast(error.message, { bad: true });
    }
  });
  return field;
}

function fonts(rules, view, tell, paint) {
  const row = (font, i) => h("div", { className: "kit-box" },
    h("div", { className: "kit-row" },
      input(`What font ${i + 1} is for`, font.role, (text) => { font.role = text.trim(); tell(); }, { maxLength: 60 }),
      input(`Family of font ${i + 1}`, font.family, (text) => { font.family = text.trim(); tell(); }, { maxLength: 100 }),
      number(`Weight of font ${i + 1}`, font.weight, [100, 900, 100], (value) => { font.weight = value; tell(); }), gone(font.role, () => drop(rules.fonts, i, tell, paint))),
    h("p", { className: "hint" }, font.files.length ? font.files.join(", ") : font.family === "Rubik" ? "built in" : "no file yet"),
    uploader(`Font file for ${font.role} (TTF or OTF)`, ".ttf,.otf,font/ttf,font/otf", view, (made) => {
      font.files = [...new Set([...font.files, made.name])];
      if (!made.families.includes(font.family)) font.family = made.families[0];
      paint();
      tell();
    }));
  return h("div", {}, ...rules.fonts.map(row), add("font", () => { rules.fonts.push({ role: rules.fonts.some((font) => font.role === "headline") ? "body" : "headline", family: "Rubik", weight: 400, files: [] }); paint(); tell(); }));
}

function logos(rules, view, tell, paint) {
  const grounds = (logo) => GROUNDS.map((ground) => h("label", { className: "check" }, h("input", {
    type: "checkbox", checked: logo.backgrounds.includes(ground),
    on: { change: (event) => { logo.backgrounds = event.target.checked ? [...logo.backgrounds, ground] : logo.backgrounds.filter((one) => one !== ground); tell(); } },
  }), ground));
  const row = (logo, i) => h("div", { className: "kit-box" },
    h("div", { className: "kit-row" },
      h("img", { className: "kit-logo", src: `/api/v1/kits/${view.id}/files/${encodeURIComponent(logo.file)}`, alt: "" }),
      input(`Name of logo ${i + 1}`, logo.name, (text) => { logo.name = text.trim(); tell(); }, { maxLength: 60 }), gone(logo.name, () => drop(rules.logos, i, tell, paint))),
    h("div", { className: "kit-row" },
      labelled("Clear space, in its height", number(`Clear space of ${logo.name}`, logo.clear_space, [0, 4, 0.05], (value) => { logo.clear_space = value; tell(); })),
      labelled("Least width, px", number(`Least width of ${logo.name}`, logo.min_width, [0, 4096, 1], (value) => { logo.min_width = value; tell(); }))),
    h("div", { className: "kit-row" }, select(`Corner of ${logo.name}`, CORNERS, logo.corner, (value) => { logo.corner = value || null; tell(); })),
    h("div", { className: "kit-grounds" }, h("span", {}, "May stand on"), ...grounds(logo)));
  const took = (made) => {
    const name = rules.logos.length ? `main-${rules.logos.length + 1}` : "main";
    rules.logos = rules.logos.filter((logo) => logo.file !== made.name);
    rules.logos.push({ name, file: made.name, clear_space: 0.25, min_width: 0, backgrounds: [], corner: null });
    paint();
    tell();
  };
  return h("div", {}, ...rules.logos.map(row), h("p", { className: "hint" }, "Add a logo (PNG, JPEG or WebP):"), uploader("Add a logo", "image/png,image/jpeg,image/webp", view, took));
}

const labelled = (text, field) => h("label", { className: "kit-labelled" }, h("span", {}, text), field);

function words(rules, tell) {
  const list = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);
  const one = (label, key) => labelled(label, input(label, rules[key].join(", "), (text) => { rules[key] = list(text); tell(); }, { maxLength: 4000 }));
  return h("div", {}, one("Added to every prompt, separated by commas", "prompt_words"), one("Kept away from", "negative"));
}

const lacks = (view) => view.findings.length ? h("ul", { className: "findings" }, ...view.findings.map(({ field, message }) => h("li", {}, h("span", { className: "tag warn-tag" }, field), h("span", {}, message)))) : null;

function buttons(view) {
  const publish = h("button", { type: "button", disabled: view.published || view.findings.length > 0, on: { click: (event) => event.target.form.dispatchEvent(new Event("publish")) } }, view.published ? `Version ${view.version} is published` : `Publish version ${view.version}`);
  return h("div", { className: "buttons" }, h("button", { className: "primary" }, `Keep as version ${view.newest + 1}`), publish);
}

async function publish(view, saved, body) {
  try {
    saved(await post(`kits/${view.id}/versions/${view.version}/publish`, {}));
  } catch (error) {
    showError(body, error);
  }
}

function versions(view, saved) {
  const open = async (version) => saved(await get(`kits/${view.id}?version=${version}`));
  const one = ({ version, created_ms, published_ms }) => h("li", {},
    h("span", {}, `Version ${version}`, version === view.version ? " (shown)" : "", ` · ${when(created_ms)}`),
    published_ms ? h("span", { className: "tag good" }, "published") : h("span", { className: "tag" }, "draft"),
    version === view.version ? null : h("button", { type: "button", className: "quiet", on: { click: () => open(version) } }, "Show"));
  return h("details", { className: "kit-versions" }, h("summary", {}, "Versions"), h("ul", { className: "plain" }, ...view.versions.map(one)),
    h("button", { type: "button", className: "quiet", on: { click: () => download(view) } }, "Download as TOML"));
}

function download(view) {
  const link = h("a", { href: URL.createObjectURL(new Blob([view.toml], { type: "text/plain" })), download: `${view.name}.toml` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
