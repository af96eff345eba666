// Every pick for every channel: which channels, which template, kit and words, what there would be, and the package.

import { file, get, post } from "./api.js";
import { calm, empty, h, showError, toast } from "./dom.js";
import { kept } from "./state.js";
import { bytes, count, seconds, when } from "./words.js";
import { composed, findings, grouped, shortName } from "./brand-parts.js";

export const title = "Deliver";

const SLOTS = [["headline", "Headline"], ["subline", "Line below"], ["cta", "Button"]];
const NAMES = "{campaign}_{asset}_{channel}_{width}x{height}.{ext}";
const MOST_SHOWN = 12;
const EVERY = 600;
let shown = 0;

/** Fills the place with this part of the campaign. */
export async function show(campaign, place) {
  const own = ++shown;
  place.replaceChildren(h("p", { className: "hint", role: "status" }, "Loading channels…"));
  try {
    const [channels, templates, kits, made] = await Promise.all([get("channels"), get("templates"), get("kits"), get(`campaigns/${campaign.id}/delivery`)]);
    if (own === shown) build(campaign, place, { channels, templates, kits, made });
  } catch (error) {
    if (own === shown) place.replaceChildren(h("p", { className: "error" }, error.message));
  }
}

function build(campaign, place, data) {
  const { brief } = campaign;
  const known = new Set(data.channels.map((channel) => channel.id));
  const wished = (brief.channels ?? []).filter((id) => known.has(id));
  const last = kept.get(`deliver.${campaign.id}`, {});
  const wish = { channels: last.channels ?? (wished.length ? wished : ["meta.feed.4x5"]), templates: last.templates ?? {}, kit: last.kit ?? "", names: last.names ?? NAMES, texts: last.texts ?? {}, picks: last.picks ?? "picked", drafts: last.drafts ?? false, safe_zones: last.safe_zones ?? false };
  wish.channels = wish.channels.filter((id) => known.has(id));
  const view = { campaign, data, wish, table: h("div", { className: "deliver-templates" }), plan: h("div", { className: "deliver-plan" }, h("p", { className: "hint", role: "status" }, "Trying the first picks …")), previews: h("div", { className: "composed-grid" }), past: h("div", {}) };
  view.button = h("button", { type: "submit", className: "primary big" }, view.label = h("b", {}, "Deliver"), view.note = h("span", {}, "\u00a0"));
  view.form = h("form", { className: "deliver", noValidate: true, autocomplete: "off" },
    h("section", {}, h("h2", {}, "Channels"), h("div", { className: "channel-groups" }, ...grouped(data.channels).map(([title, channels]) => group(view, title, channels))), error("channels")),
    h("div", { className: "deliver-columns" },
      h("section", { className: "card" }, h("h3", {}, "How"), ...how(view), h("div", { className: "action wide" }, view.button, error(""))),
      h("section", {}, view.plan, view.previews, view.past)));
  view.form.addEventListener("submit", (event) => (event.preventDefault(), deliver(view)));
  place.replaceChildren(view.form);
  showTemplates(view);
  showPast(view);
  changed(view);
}

const error = (name) => h("p", { className: "error", data: { error: name }, role: "alert" });

function group(view, title, channels) {
  const card = (channel) => {
    const box = h("input", { type: "checkbox", checked: view.wish.channels.includes(channel.id), on: { change: () => {
      view.wish.channels = view.data.channels.map((one) => one.id).filter((id) => (id === channel.id ? box.checked : view.wish.channels.includes(id)));
      showTemplates(view);
      changed(view);
    } } });
    const scale = 46 / Math.max(channel.width, channel.height);
    const shape = h("i", { className: "channel-shape", aria: { hidden: "true" }, css: { width: `${Math.max(4, channel.width * scale)}px`, height: `${Math.max(4, channel.height * scale)}px` } });
    return h("label", { className: "channel-card" }, box, h("span", { className: "channel-body" }, h("span", { className: "channel-place" }, shape),
      h("b", {}, shortName(channel)), h("small", {}, h("span", {}, `${channel.width} × ${channel.height}`), h("span", {}, channel.max_bytes ? `up to ${bytes(channel.max_bytes)}` : "any size"))));
  };
  return h("fieldset", { className: "field" }, h("legend", {}, title), h("div", { className: "channel-cards" }, ...channels.map(card)));
}

function how(view) {
  const { wish, data, campaign } = view;
  const edit = (key) => (event) => { wish[key] = event.target.type === "checkbox" ? event.target.checked : event.target.value; changed(view); };
  const field = (id, label, input, ...more) => h("div", { className: "field" }, h("label", { htmlFor: id }, label), input, ...more);
  const own = campaign.brief.brand_kit;
  const select = (id, key, items) => {
    const made = h("select", { id, on: { change: edit(key) } }, ...items.map(([value, text]) => h("option", { value, textContent: text })));
    made.value = wish[key];
    if (made.selectedIndex < 0) { made.selectedIndex = 0; wish[key] = made.value; }
    return made;
  };
  const kits = [["", own ? `That of the brief (${own})` : "Starter (built in)"], ["starter", "Starter (built in)"], ...data.kits.map((kit) => [kit.id, `${kit.name} · ${kit.published ? `version ${kit.published}` : "draft"}`])];
  const texts = SLOTS.map(([slot, label]) => field(`deliver-${slot}`, campaign.brief.texts?.includes(slot) ? `${label}, where a row has none` : label,
    h("input", { id: `deliver-${slot}`, maxLength: 500, value: wish.texts[slot] ?? "", on: { input: (event) => { wish.texts[slot] = event.target.value; changed(view); } } }), error(`texts.${slot}`)));
  return [
    field("deliver-kit", "Brand kit", select("deliver-kit", "kit", own ? kits : kits.slice(1).map(([value, text], i) => [i ? value : "", text])), error("kit")),
    view.table,
    ...texts,
    field("deliver-names", "File names", h("input", { id: "deliver-names", value: wish.names, maxLength: 200, spellcheck: false, on: { input: edit("names") } }), error("names")),
    field("deliver-picks", "Which", select("deliver-picks", "picks", [["picked", "All picks"], ["approved", "Approved picks only"]]), error("picks")),
    h("label", { className: "check" }, h("input", { type: "checkbox", checked: wish.drafts, on: { change: edit("drafts") } }), "Drafts where there is no final"),
    h("label", { className: "check" }, h("input", { type: "checkbox", checked: wish.safe_zones, on: { change: edit("safe_zones") } }), "Previews of what platforms cover"),
  ];
}

function showTemplates(view) {
  const { wish, data } = view;
  const row = (id) => {
    const channel = data.channels.find((one) => one.id === id);
    const near = (one) => Math.abs(Math.log((one.width / one.height) * (channel.height / channel.width)));
    const named = [...data.templates].sort((a, b) => near(a) - near(b)).slice(0, 5).map((one) => [one.name, one.name]);
    const items = [["channel", channel.template ? `its own (${channel.template})` : "crop, no words"], ["words", "words over the picture"], ["crop", "crop, no words"], ...named];
    const unlike = items.filter(([value], i) => items.findIndex(([other]) => other === value) === i && !(value === "crop" && !channel.template));
    const made = h("select", { id: `deliver-template-${id}`, on: { change: () => { wish.templates[id] = made.value; changed(view); } } }, ...unlike.map(([value, text]) => h("option", { value, textContent: text })));
    made.value = wish.templates[id] ?? "channel";
    return h("div", { className: "deliver-template" }, h("label", { htmlFor: made.id }, id), made);
  };
  view.table.replaceChildren(...(wish.channels.length ? [h("h4", {}, "Template by channel"), ...wish.channels.map(row), error("templates")] : []));
}

function request({ wish }) {
  const { channels, templates, kit, names, texts, picks, drafts, safe_zones } = wish;
  const words = Object.fromEntries(Object.entries(texts).filter(([, text]) => text.trim()));
  const own = Object.fromEntries(Object.entries(templates).filter(([id]) => channels.includes(id)));
  return { channels, templates: own, kit: kit || undefined, names: names.trim() || undefined, texts: words, picks, drafts, safe_zones };
}

function changed(view) {
  kept.set(`deliver.${view.campaign.id}`, view.wish);
  view.plan.classList.add("old");
  look(view, (view.asked = (view.asked ?? 0) + 1));
}

const look = calm(async (view, own) => {
  const stale = () => own !== view.asked || !view.form.isConnected;
  if (stale()) return;
  try {
    if (!view.wish.channels.length) throw Object.assign(new Error("choose at least one channel"), { field: "channels" });
    const plan = await post(`campaigns/${view.campaign.id}/delivery/plan`, request(view));
    if (stale()) return;
    showError(view.form, null);
    paint(view, plan);
  } catch (error) {
    if (stale()) return;
    view.label.textContent = "Deliver";
    view.note.textContent = "cannot be delivered like this";
    view.button.disabled = true;
    showError(view.form, error);
  }
  view.plan.classList.remove("old");
}, 350);

function paint(view, plan) {
  view.label.textContent = plan.files ? `Deliver ${count(plan.files, "file")}` : "Deliver";
  view.note.textContent = plan.files ? `${count(plan.picks, "pick")} × ${count(plan.channels.length, "channel")} · ZIP with manifest and contact sheet` : "nothing is picked yet";
  view.button.disabled = !plan.files;
  view.previews.replaceChildren();
  const missing = plan.missing.length ? h("p", { className: "notice" }, `${count(plan.missing.length, "pick")} without a final (${plan.missing.slice(0, 5).join(", ")}${plan.missing.length > 5 ? "…" : ""}) left out: draw the finals, or let drafts go out.`) : null;
  if (!plan.files) {
    view.plan.replaceChildren(...[missing, empty("Nothing to deliver yet", "Pick drafts in the grid and draw their finals; then every pick goes to every channel you choose.", h("a", { className: "button", href: `#campaigns/${view.campaign.id}/grid` }, "To the grid"))].filter(Boolean));
    return;
  }
  const kit = `${plan.kit.name}, version ${plan.kit.version}`;
  const tried = plan.items.filter((item) => item.findings);
  // The same remark about many files is told once.
  const told = new Map();
  for (const { channel, findings: found } of tried) for (const finding of found) {
    const same = told.get(finding.message) ?? { ...finding, channels: new Set() };
    told.set(finding.message, same);
    same.channels.add(channel);
  }
  const rank = ["error", "warning", "note"];
  const list = [...told.values()].sort((a, b) => rank.indexOf(a.level) - rank.indexOf(b.level)).map((one) => ({ ...one, message: `${[...one.channels].slice(0, 3).join(", ")}${one.channels.size > 3 ? ` and ${one.channels.size - 3} more` : ""}: ${one.message}` }));
  view.plan.replaceChildren(...[
    h("div", { className: "big-numbers" }, h("div", {}, h("b", {}, plan.files), "files"), h("div", {}, h("b", {}, plan.errors), "must not go out"), h("div", {}, h("b", {}, plan.warnings), "to look at")),
    missing,
    h("p", { className: "hint" }, `${kit} · ${plan.checked < plan.picks ? `tried with the first ${plan.checked} of ${count(plan.picks, "pick")}` : "tried with every pick"} · first file: ${plan.items[0].file}`),
    h("details", { className: "recipe", open: plan.errors > 0 }, h("summary", {}, `Findings (${list.length + plan.kit_findings.length})`), findings(list, plan.kit_findings)),
  ].filter(Boolean));
  previews(view, plan, tried);
}

async function previews(view, plan, tried) {
  const own = view.asked;
  const wish = request(view);
  for (const item of tried.slice(0, MOST_SHOWN)) {
    if (own !== view.asked || !view.form.isConnected) return;
    const channel = plan.channels.find((one) => one.id === item.channel);
    const ask = { asset: item.asset, kit: wish.kit ?? plan.kit.id ?? undefined, kit_version: plan.kit.id ? plan.kit.version : undefined, channel: item.channel, template: wish.templates[item.channel], texts: item.texts, width: 360 };
    const { figure, ready } = composed(JSON.parse(JSON.stringify(ask)), channel, `${item.row} · ${item.channel}`);
    view.previews.append(figure);
    await ready;
  }
}

async function deliver(view) {
  if (view.busy || view.button.disabled) return;
  view.busy = true;
  view.button.disabled = true;
  const before = view.note.textContent;
  view.note.textContent = "making the files…";
  const over = telling(view);
  try {
    const blob = await file(`campaigns/${view.campaign.id}/delivery`, request(view));
    const link = h("a", { href: URL.createObjectURL(blob), download: `${view.campaign.name}.zip` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    toast(`Delivered: ${bytes(blob.size)}`);
    view.data.made = await get(`campaigns/${view.campaign.id}/delivery`);
    showPast(view);
  } catch (error) {
    showError(view.form, error);
  }
  over();
  view.busy = false;
  view.button.disabled = false;
  view.note.textContent = before;
}

/** Says on the button how far the files are, until what it gives is called. */
function telling(view) {
  const begin = performance.now();
  const ask = async () => {
    const { making } = await get(`campaigns/${view.campaign.id}/delivery/progress`).catch(() => ({}));
    if (!view.busy || !making?.done) return;
    const left = (performance.now() - begin) / 1000 * (making.files / making.done - 1);
    view.note.textContent = `${making.done} of ${making.files} files · ${seconds(left)} left`;
  };
  const timer = setInterval(ask, EVERY);
  return () => clearInterval(timer);
}

function showPast({ data: { made }, past }) {
  const row = (one) => h("tr", {}, h("td", {}, when(one.made_ms)), h("td", { className: "number" }, one.files), h("td", { className: "number" }, bytes(one.bytes)), h("td", {}, one.kit ? `${one.kit}, version ${one.kit_version}` : "–"));
  past.replaceChildren(...(made.length ? [h("h3", {}, "Delivered before"), h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Deliveries" } }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "When"), h("th", { className: "number" }, "Files"), h("th", { className: "number" }, "Size"), h("th", {}, "Brand kit"))), h("tbody", {}, ...made.slice(0, 10).map(row))))] : []));
}
