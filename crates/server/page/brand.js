// Brand kits, templates and channels on a real picture, while somebody types. `#brand/KIT` is the address of a kit.

import { get, on, picture, post, upload } from "./api.js";
import { askText, at, fill, h, showError, toast } from "./dom.js";
import { kept } from "./state.js";
import { editor } from "./brand-kit.js";
import { composed, composer, findings, grouped, palette, shortName } from "./brand-parts.js";

const STARTER = "starter";
const SLOTS = [["headline", "Headline", 120], ["subline", "Line below", 200], ["cta", "Button", 40]];
const USUAL = { headline: "Autumn is here", subline: "Wool from the hills, knitted by hand", cta: "See the range" };

const state = { kits: [], channels: [], templates: [], kit: null, draft: null, assets: [], asset: null };
let parts = null;
let entered = 0;

export function setUp() {
  on("asset", () => { if (document.body.dataset.view === "brand") loadPictures(); });
}

/** Shows the view, with a kit if the address names one. */
export async function enter(id) {
  const own = ++entered;
  if (!parts) build();
  try {
    const [kits, channels, templates] = await Promise.all([get("kits"), get("channels"), get("templates")]);
    if (own !== entered) return;
    Object.assign(state, { kits, channels, templates });
    fillChoices();
    await Promise.all([openKit(id || kept.get("brand", {}).kit || STARTER), loadPictures()]);
    refresh();
  } catch (error) {
    parts.figure.replaceChildren(h("p", { className: "error" }, error.message));
  }
}

function build() {
  const last = { ...USUAL, ...kept.get("brand", {}) };
  const select = (id, name) => h("select", { id, name });
  parts = {
    kit: select("brand-kit", "kit"), channel: select("brand-channel", "channel"), template: select("brand-template", "template"),
    safe: h("input", { type: "checkbox", id: "brand-safe", name: "safe_zone", checked: Boolean(last.safe) }),
    auto: h("input", { type: "checkbox", id: "brand-auto", checked: true }),
    x: h("input", { type: "range", id: "brand-x", min: 0, max: 1, step: 0.01, value: 0.5, disabled: true }),
    y: h("input", { type: "range", id: "brand-y", min: 0, max: 1, step: 0.01, value: 0.5, disabled: true }),
    words: Object.fromEntries(SLOTS.map(([slot, , most]) => [slot, h("textarea", { id: `brand-${slot}`, name: `texts.${slot}`, rows: slot === "cta" ? 1 : 2, maxLength: most * 4, value: last[slot] })])),
    pictures: h("div", { className: "minis", role: "group", aria: { label: "Picture" } }),
    file: h("input", { type: "file", id: "brand-file", accept: "image/png,image/jpeg,image/webp" }),
    figure: h("div", { className: "brand-figure" }), note: h("p", { className: "brand-note", role: "status" }), list: h("div", { className: "brand-findings" }),
    gallery: h("div", { className: "composed-grid" }), editor: h("div", { className: "brand-editor" }),
    galleryBox: h("details", { className: "recipe" }, h("summary", {}, "This picture in every template")),
  };
  const field = (label, input, ...more) => h("div", { className: "field" }, h("label", { htmlFor: input.id }, label), input, ...more);
  const error = (name) => h("p", { className: "error", data: { error: name }, role: "alert" });
  parts.form = h("form", { className: "brand-form", noValidate: true, autocomplete: "off" },
    field("Brand kit", parts.kit, error("kit")),
    field("Channel", parts.channel, error("channel")),
    field("Template", parts.template, error("template")),
    ...SLOTS.map(([slot, label]) => field(label, parts.words[slot], error(`texts.${slot}`))),
    h("label", { className: "check" }, parts.safe, "Show what the platform covers"),
    h("fieldset", { className: "field" }, h("legend", {}, "Picture"), parts.pictures, h("div", { className: "start" }, h("label", { htmlFor: "brand-file", className: "sr" }, "Another picture"), parts.file), error("asset")),
    h("details", { className: "more" }, h("summary", {}, "Where the subject is"), h("div", {},
      h("label", { className: "check" }, parts.auto, "Find it"),
      field("From the left", parts.x), field("From the top", parts.y), error("focus"))),
    error(""));
  parts.galleryBox.append(parts.gallery);
  at("brand").replaceChildren(h("div", { className: "split" },
    h("div", { className: "panel" }, parts.form, parts.editor),
    h("div", { className: "stage" }, parts.figure, parts.note, parts.list, parts.galleryBox)));
  parts.form.addEventListener("input", changed);
  parts.form.addEventListener("submit", (event) => (event.preventDefault(), refresh()));
  parts.kit.addEventListener("change", kitChosen);
  parts.channel.addEventListener("change", () => showTemplates());
  parts.file.addEventListener("change", takeFile);
  parts.galleryBox.addEventListener("toggle", showGallery);
}

function fillChoices() {
  const last = kept.get("brand", {});
  fillKits();
  const text = (channel) => `${shortName(channel)} · ${channel.width} × ${channel.height}`;
  fill(parts.channel, grouped(state.channels).map(([title, channels]) => [title, channels.map((channel) => [channel.id, text(channel)])]), last.channel ?? "meta.feed.4x5");
  showTemplates(last.template);
}

function fillKits(chosen = parts.kit.value) {
  fill(parts.kit, [[STARTER, "Starter (built in)"], ...state.kits.map((kit) => [kit.id, `${kit.name} · ${kit.published ? `version ${kit.published}` : "draft"}`]), ["new", "New kit…"]], chosen);
}

const channel = () => state.channels.find((one) => one.id === parts.channel.value) ?? state.channels[0];

function showTemplates(chosen = parts.template.value) {
  const own = channel()?.template;
  parts.safe.disabled = !channel()?.safe;
  const near = (one) => Math.abs(Math.log((one.width / one.height) * (channel().height / channel().width)));
  const sorted = [...state.templates].sort((a, b) => near(a) - near(b));
  fill(parts.template, [
    ["", own ? `The channel's own (${own})` : "None: a crop"], ["words", "Words over the picture"], ["crop", "A crop, without words"],
    ["By name, the nearest shape first", sorted.map((one) => [one.name, one.name])],
  ], chosen ?? "words");
  if (!parts.template.value) parts.template.value = own ? "" : "words";
}

async function openKit(id) {
  const found = await get(`kits/${encodeURIComponent(id)}`).catch((error) => {
    if (error.status === 404 && id !== STARTER) return get(`kits/${STARTER}`);
    throw error;
  });
  showKit(found);
}

function showKit(found) {
  state.kit = found;
  state.draft = null;
  parts.kit.value = found.id ?? STARTER;
  parts.editor.replaceChildren(editor(found, { changed: (draft) => { state.draft = draft; refresh(); }, saved: kitSaved }));
}

async function kitSaved(made) {
  state.kits = await get("kits");
  fillKits(made.id);
  const wasOpen = parts.editor.querySelector("details")?.open;
  showKit(made);
  if (wasOpen) parts.editor.querySelector("details").open = true;
  history.replaceState(null, "", `#brand/${made.id}`);
  changed();
}

async function kitChosen() {
  if (parts.kit.value === "new") return newKit();
  try {
    await openKit(parts.kit.value);
    history.replaceState(null, "", `#brand/${parts.kit.value}`);
    changed();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function newKit() {
  const name = await askText("New brand kit", "Name", "Make it");
  parts.kit.value = state.kit?.id ?? STARTER;
  if (!name) return;
  try {
    const { kit } = await get(`kits/${state.kit?.id ?? STARTER}`);
    await kitSaved(await post("kits", { kit: { ...kit, name, fonts: kit.fonts.map((font) => ({ ...font, files: [] })), logos: [] } }));
    parts.editor.querySelector("details").open = true;
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function loadPictures() {
  const [drawn, given] = await Promise.all([get("assets?limit=11"), get("assets?kind=upload&limit=4")]);
  state.assets = [...drawn.assets, ...given.assets];
  state.asset = state.assets.find((one) => one.id === (state.asset?.id ?? kept.get("brand", {}).asset)) ?? state.assets[0] ?? null;
  showPictures();
}

function showPictures() {
  const one = (asset) => h("button", {
    type: "button", className: "thumb", aria: { label: asset.prompt || "An uploaded picture", pressed: asset.id === state.asset?.id },
    on: { click: () => { state.asset = asset; showPictures(); changed(); } },
  }, h("img", { src: picture(asset, { width: 128 }), alt: "" }));
  parts.pictures.replaceChildren(...state.assets.map(one));
}

async function takeFile() {
  if (!parts.file.files[0]) return;
  try {
    state.asset = await upload("uploads", parts.file.files[0]);
    parts.file.value = "";
    await loadPictures();
    changed();
  } catch (error) {
    showError(parts.form, Object.assign(error, { field: "asset" }));
  }
}

function request(more = {}) {
  const texts = Object.fromEntries(SLOTS.map(([slot]) => [slot, parts.words[slot].value.trim()]).filter(([, text]) => text));
  return JSON.parse(JSON.stringify({
    asset: state.asset?.id, kit: state.kit?.id ?? undefined, kit_version: state.draft || !state.kit?.id ? undefined : state.kit.version, draft: state.draft ?? undefined,
    channel: parts.channel.value, template: parts.template.value || undefined, texts,
    safe_zone: parts.safe.checked, focus: parts.auto.checked ? undefined : [Number(parts.x.value), Number(parts.y.value)], ...more,
  }));
}

function changed() {
  for (const range of [parts.x, parts.y]) range.disabled = parts.auto.checked;
  const words = Object.fromEntries(SLOTS.map(([slot]) => [slot, parts.words[slot].value]));
  kept.set("brand", { ...words, kit: state.kit?.id ?? STARTER, channel: parts.channel.value, template: parts.template.value, asset: state.asset?.id, safe: parts.safe.checked });
  refresh();
}

const ask = composer({
  begun: () => parts.figure.classList.add("old"),
  done: (made) => {
    parts.figure.classList.remove("old");
    showError(parts.form, null);
    const image = h("img", { src: made.picture, alt: `The picture for ${parts.channel.value}`, width: made.width, height: made.height });
    parts.figure.replaceChildren(image);
    const bad = made.findings.filter((one) => one.level === "error").length;
    parts.note.textContent = `${made.width} × ${made.height} · ${made.template ?? "crop"} · ${made.kit.name}, version ${made.kit.version}${state.draft ? ", not kept yet" : ""}${bad ? ` · ${bad} must be mended` : ""}`;
    parts.list.replaceChildren(...[h("h2", {}, "Findings"), findings(made.findings, made.kit_findings), made.palette ? h("h2", {}, "Colours") : null, palette(made.palette)].filter(Boolean));
    if (parts.galleryBox.open) showGallery();
  },
  failed: (error) => {
    parts.figure.classList.remove("old");
    const isKit = error.field?.startsWith("draft");
    const { message, field } = error;
    if (isKit) showError(parts.editor.querySelector("form") ?? parts.form, { message, field: field.replace(/^draft\.?/, "") || null });
    else showError(parts.form, error);
  },
});

function refresh() {
  if (state.asset) return ask(request());
  parts.figure.replaceChildren(h("div", { className: "empty" }, h("h2", {}, "No picture yet"), h("p", {}, "Draw one, or upload one on the left, to see it in the brand's look."), h("a", { className: "button primary", href: "#create" }, "Draw one")));
  parts.note.textContent = "";
  parts.list.replaceChildren();
}

let shownGallery = "";
/** Every template with this picture and these words, one after the other. */
async function showGallery() {
  if (!parts.galleryBox.open || !state.asset) return;
  const base = request({ channel: undefined, template: undefined, safe_zone: undefined, width: 320 });
  const key = JSON.stringify(base);
  if (key === shownGallery) return;
  shownGallery = key;
  parts.gallery.replaceChildren();
  for (const template of state.templates) {
    if (key !== shownGallery || !parts.galleryBox.open) return;
    const { figure, ready } = composed({ ...base, size: `${template.width}x${template.height}`, template: template.name }, template, template.name);
    figure.append(h("button", { type: "button", className: "quiet", on: { click: () => { parts.template.value = template.name; changed(); scrollTo({ top: 0, behavior: "smooth" }); } } }, "Use it"));
    parts.gallery.append(figure);
    await ready;
  }
}
