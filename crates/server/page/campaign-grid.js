// The drafts of a campaign: rows and their candidates, live while they are drawn, with picks by mouse, finger and keys. Only what is
// near the window is on the page, and rows are loaded by pages, so that ten thousand are as quick as ten.

import { get, news, post } from "./api.js";
import { calm, empty, fill, h, toast } from "./dom.js";
import { alike, foundWords, isShown, measure, ORDERS, placeFor, switches } from "./aids.js";
import { changes, lookAgain, stageButton } from "./campaign-head.js";
import { openCandidate, repaint, source } from "./campaign-look.js";
import { lines } from "./lines.js";
import { noise } from "./noise.js";
import { proportion } from "./sizes.js";
import { kept, model } from "./state.js";
import { count } from "./words.js";

export const title = "Grid";

/** Rows of a page, and pages of candidates for one order over all rows. */
const PAGE = 40;
const GAP = 8;
/** Widths of tiles in pixels, and of their pictures. */
const TILES = { small: 84, medium: 124, large: 208 };
const REVIEW = [["", "Any review"], ["draft", "Not reviewed"], ["in_review", "In review"], ["changes_asked", "Changes asked"], ["approved", "Approved"], ["archived", "Put away"]];
let over = new AbortController();

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  over.abort();
  over = new AbortController();
  grid(campaign, place, over.signal);
}

function grid(campaign, place, signal) {
  const perRow = campaign.brief.candidates;
  const size = campaign.brief.size ?? model(campaign.brief.model).default_size ?? "512x512";
  const shape = proportion(size);
  const widest = Number(size.split("x")[0]);
  const state = { fold: false, sound: false, different: false, space: false, order: "", finals: false };
  /** Rows by page, and the number of rows the filters leave. */
  const pages = new Map();
  let total = campaign.rows, aids = null, flat = null, focus = [0, 0], running = campaign.state === "running";
  /** What jobs draw: job → row and stage, and pictures as they emerge, by `row:position`. */
  const jobs = new Map(), emerging = new Map();

  const search = h("input", { type: "search", id: "grid-search", placeholder: "Search rows", aria: { label: "Search rows" } });
  const picked = h("select", { id: "grid-picked", aria: { label: "Picked or not" } });
  fill(picked, [["", "All rows"], ["true", "With a pick"], ["false", "Without a pick"]]);
  const review = h("select", { id: "grid-review", aria: { label: "Where picks are in the review" } });
  fill(review, REVIEW);
  const order = h("select", { id: "grid-order", aria: { label: "Order" } });
  fill(order, ORDERS.map(([value, words]) => [value, words]));
  const zoom = h("select", { id: "grid-zoom", aria: { label: "Size of the tiles" } });
  fill(zoom, [["small", "Small"], ["medium", "Medium"], ["large", "Large"]], kept.get("tiles", "medium"));
  const aidBoxes = switches("grid", ["fold", "different", "sound", "space"], toggle, order);
  const status = h("p", { className: "count", role: "status" });
  const bar = h("div", { className: "pick-bar", role: "region", aria: { label: "What is picked" }, hidden: true });
  const list = lines((i) => (flat ? flatLine(i) : rowLine(i)), signal, { role: "grid", aria: { label: "Drafts", multiselectable: "true" } });
  const body = h("div", {}, list.element);
  place.replaceChildren(
    h("form", { className: "toolbar", role: "search", autocomplete: "off", on: { submit: (event) => event.preventDefault() } },
      h("div", { className: "field grow" }, search), picked, review, zoom,
      h("label", { className: "check" }, h("input", { type: "checkbox", id: "grid-finals", on: { change: (event) => { state.finals = event.target.checked; layOut(); } } }), "Finals in place")),
    aidBoxes, status, body, bar);

  const width = () => list.element.clientWidth || place.clientWidth || 360;
  const narrow = () => width() < 700;
  const tile = () => Math.min(TILES[zoom.value], narrow() ? Math.floor((width() - 2 * GAP) / 3) : Infinity);
  const head = () => (narrow() ? 0 : 190);
  const columns = () => Math.max(1, Math.floor((width() - (flat ? 0 : head()) + GAP) / (tile() + GAP)));
  const tall = () => Math.round(tile() / shape);

  function layOut() {
    list.element.style.setProperty("--tile", `${tile()}px`);
    list.element.style.setProperty("--tall", `${tall()}px`);
    list.element.classList.toggle("narrow", narrow());
    const strips = Math.ceil(Math.max(1, perRow) / columns());
    if (flat) list.show(Math.ceil(flat.length / columns()), tall() + GAP);
    else list.show(total, strips * (tall() + GAP) + 12 + (narrow() ? 44 : 0));
    list.element.setAttribute("aria-rowcount", String(flat ? Math.ceil(flat.length / columns()) : total));
  }

  // Rows.
  const filtered = () => search.value.trim() !== "" || picked.value !== "" || review.value !== "";

  function pageOf(i) {
    const page = Math.floor(i / PAGE);
    if (!pages.has(page)) load(page);
    return pages.get(page);
  }

  const rowAt = (i) => pageOf(i)?.rows?.[i % PAGE] ?? null;

  async function load(page) {
    const own = { rows: pages.get(page)?.rows ?? null };
    pages.set(page, own);
    const query = new URLSearchParams({ drafts: "true", limit: PAGE, offset: page * PAGE });
    if (search.value.trim()) query.set("search", search.value.trim());
    if (picked.value) query.set("picked", picked.value);
    if (review.value) query.set("review", review.value);
    try {
      const found = await get(`campaigns/${campaign.id}/rows?${query}`);
      if (signal.aborted || pages.get(page) !== own) return;
      own.rows = found.rows;
      for (const row of found.rows) for (const draft of row.drafts) emerging.delete(`${row.key}:${draft.position}`);
      if (found.total !== total) { total = found.total; if (!flat) layOut(); }
      for (let i = page * PAGE; i < page * PAGE + found.rows.length; i++) if (!flat) keepFocus(() => list.renew(i), i);
      say();
    } catch (error) {
      if (!signal.aborted) toast(error.message, { bad: true });
      pages.delete(page);
    }
  }

  /** A line that is made again keeps the focus it had. */
  function keepFocus(work, i) {
    const had = list.element.contains(document.activeElement) && focus[0] === i;
    work();
    if (had) list.element.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  }

  function say() {
    const nothing = !total && !flat;
    list.element.hidden = nothing;
    body.querySelector(".empty")?.remove();
    if (nothing) {
      body.append(filtered()
        ? empty("Nothing fits", "No row has all of this.", h("button", { type: "button", on: { click: clear } }, "Show everything"))
        : empty("No rows yet", "This campaign has slots that only rows can fill. Add a CSV file with the command line or the API: POST /api/v1/campaigns/ID/rows."));
    }
    const rows = filtered() ? `${count(total, "row fits", "rows fit")}` : count(total, "row");
    const known = aids ? ` · ${foundWords(aids, "draft")}` : "";
    reachable();
    status.textContent = `${flat ? count(flat.length, "draft") : rows}${known}`;
  }

  const fresh = () => { pages.clear(); total = filtered() ? 0 : campaign.rows; list.element.hidden = false; reload(0); };
  async function reload(page) {
    await load(page);
    layOut();
    say();
  }
  const clear = () => { search.value = ""; picked.value = ""; review.value = ""; fresh(); };
  search.addEventListener("input", calm(fresh, 200));
  for (const select of [picked, review]) select.addEventListener("change", fresh);
  zoom.addEventListener("change", () => { kept.set("tiles", zoom.value); layOut(); });
  addEventListener("resize", calm(layOut, 150), { signal });

  // Lines and cells.
  function rowLine(i) {
    const row = rowAt(i);
    const name = row?.key ?? "…";
    const values = row ? Object.values(row.values).join(" · ") : "";
    const note = !row ? "" : row.error ? row.error : row.state === null ? "not drawn yet" : ["pending", "queued"].includes(row.state) ? (isDrawn(name) ? "drawing" : "waiting") : row.state === "done" ? "" : row.state;
    const drafts = new Map((row?.drafts ?? []).map((draft) => [draft.position, draft]));
    const cells = Array.from({ length: perRow }, (_, position) => cellOf(row, drafts.get(position), position, i)).filter(Boolean);
    return h("div", { className: "line", role: "row", aria: { rowindex: String(i + 1) } },
      h("div", { className: "line-head", role: "rowheader", title: row?.prompt ?? "" }, h("b", {}, name), h("span", {}, values || (row?.prompt ?? "")), note ? h("small", { className: row?.error ? "warn" : "" }, note) : null),
      h("div", { className: "cells", role: "presentation" }, ...cells));
  }

  function flatLine(i) {
    const cells = flat.slice(i * columns(), (i + 1) * columns()).map((candidate, column) => cell(candidate, i, column, true));
    return h("div", { className: "line flat", role: "row", aria: { rowindex: String(i + 1) } }, h("div", { className: "cells", role: "presentation" }, ...cells));
  }

  const isDrawn = (row) => [...jobs.values()].some((job) => job.row === row);

  function cellOf(row, candidate, position, i) {
    if (candidate) return isShown(aids?.by.get(candidate.asset), state) ? cell(candidate, i, position) : null;
    if (!row) return h("div", { className: "cell blank", role: "gridcell", aria: { label: "loading" } });
    if (row.state === null || ["failed", "cancelled"].includes(row.state)) return h("div", { className: "cell blank", role: "gridcell", aria: { label: `draft ${position + 1}, ${row.state ?? "not drawn yet"}` } });
    const seen = emerging.get(`${row.key}:${position}`);
    return h("div", { className: "cell developing", role: "gridcell", data: { emerging: `${row.key}:${position}` }, aria: { label: `draft ${position + 1}, being drawn` } },
      h("img", { src: seen ?? noise(), alt: "", className: seen ? "emerging" : "noise" }));
  }

  function cell(candidate, i, column, named = false) {
    const asset = state.finals && candidate.final ? candidate.final : candidate.asset ?? candidate.final;
    const measured = aids?.by.get(candidate.asset);
    const twins = state.fold && aids ? alike(aids, measured) : 1;
    const thumb = Math.min(widest, tile() > 130 ? 384 : 256);
    const label = [`${candidate.row}, draft ${candidate.position + 1}`, candidate.picked ? "picked" : "", candidate.final ? "finished" : "", measured?.broken.length ? `broken: ${measured.broken[0]}` : "", twins > 1 ? `${twins} look like it` : ""].filter(Boolean).join(", ");
    const element = h("div", {
      className: `cell${candidate.picked ? " is-picked" : ""}${measured?.broken.length ? " is-broken" : ""}`, role: "gridcell", tabIndex: focus[0] === i && focus[1] === column ? 0 : -1,
      data: { candidate: candidate.id, column: String(column) }, aria: { label, selected: String(candidate.picked) },
      on: { focus: () => moveTo(i, column), click: () => look(candidate), keydown: (event) => keys(event, candidate, i, column) },
    },
      asset ? h("img", { src: source(asset, thumb), alt: "", decoding: "async" }) : h("span", { className: "state" }, "removed"), state.space ? placeFor(measured) : null,
      h("button", { type: "button", className: "pick-mark", tabIndex: -1, aria: { label: candidate.picked ? `Take the pick of ${label} back` : `Pick ${label}` }, on: { click: (event) => { event.stopPropagation(); toggleOne(candidate); } } }),
      candidate.final ? badge("final", "Its final is drawn") : null,
      twins > 1 ? badge(`×${twins}`, `${twins} look alike`, "twins") : null, named ? badge(candidate.row, "", "name") : null);
    element.candidate = candidate;
    return element;
  }

  /** A mark on a draft; its label says the same in words. */
  const badge = (text, title, kind = "") => h("span", { className: `badge ${kind}`, title, data: { text }, aria: { hidden: "true" } });

  // Keys: one cell takes part in the order of the focus, arrows go from there.
  function moveTo(i, column) {
    list.element.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    focus = [i, column];
    cellAt(i, column)?.setAttribute("tabindex", "0");
  }

  /** One draft always takes part in the order of the focus. */
  function reachable() {
    if (list.element.querySelector("[data-candidate][tabindex='0']")) return;
    const first = list.element.querySelector("[data-candidate]");
    if (first) moveTo(Number(first.closest(".line").getAttribute("aria-rowindex")) - 1, Number(first.dataset.column));
  }

  const cellsOf = (line) => [...(line?.querySelectorAll("[data-candidate]") ?? [])];
  const cellAt = (i, column) => list.element.querySelector(`[aria-rowindex="${i + 1}"] [data-column="${column}"][data-candidate]`);

  async function go(i, column) {
    const last = (flat ? Math.ceil(flat.length / columns()) : total) - 1;
    if (i < 0 || i > last) return;
    if (!flat && !rowAt(i)) await load(Math.floor(i / PAGE));
    const cells = cellsOf(list.reveal(i));
    const to = cells.find((one) => Number(one.dataset.column) >= column) ?? cells.at(-1);
    if (!to) return void (focus = [i, column]);
    moveTo(i, Number(to.dataset.column));
    to.focus({ preventScroll: true });
  }

  function keys(event, candidate, i, column) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const cells = cellsOf(event.currentTarget.closest(".line"));
    const at = cells.indexOf(event.currentTarget);
    const strip = flat ? 0 : columns();
    const side = (by) => () => (cells[at + by] ? cells[at + by].focus() : go(i + by, by > 0 ? 0 : perRow));
    // Where a row wraps, up and down go through its strips first.
    const line = (by) => () => (strip && cells[at + by * strip] ? cells[at + by * strip].focus() : go(i + by, flat ? column : by > 0 ? at % strip : column));
    const work = {
      ArrowLeft: side(-1), ArrowRight: side(1), ArrowUp: line(-1), ArrowDown: line(1),
      Home: () => cells[0].focus(), End: () => cells.at(-1).focus(), PageDown: () => go(Math.min(i + 5, (flat ? Math.ceil(flat.length / columns()) : total) - 1), column), PageUp: () => go(Math.max(i - 5, 0), column),
      " ": () => toggleOne(candidate), p: () => toggleOne(candidate), Enter: () => look(candidate),
    }[event.key];
    if (!work) return;
    event.preventDefault();
    event.stopPropagation();
    work();
  }

  // Picks.
  /** Picks are sent one after the other: two quick ones of a draft are kept in their order. */
  let sent = Promise.resolve();
  function toggleOne(candidate) {
    const wanted = !candidate.picked;
    candidate.picked = wanted;
    paint(candidate);
    sent = sent.then(async () => {
      try {
        await post(`campaigns/${campaign.id}/picks`, { candidates: [candidate.id], picked: wanted, by: kept.get("name", "") || undefined });
        lookAgain();
      } catch (error) {
        candidate.picked = !wanted;
        paint(candidate);
        toast(error.message, { bad: true });
      }
    });
  }

  function paint(candidate) {
    const old = list.element.querySelector(`[data-candidate="${candidate.id}"]`);
    if (old) {
      const line = Number(old.closest(".line").getAttribute("aria-rowindex")) - 1;
      const had = old === document.activeElement;
      const now = cell(candidate, line, Number(old.dataset.column), Boolean(flat));
      old.replaceWith(now);
      if (had) now.focus({ preventScroll: true });
    }
    repaint(candidate);
  }

  function look(candidate) {
    const all = () => (flat ? flat : [...pages.keys()].sort((a, b) => a - b).flatMap((page) => (pages.get(page).rows ?? []).flatMap((row) => row.drafts)))
      .filter((one) => isShown(aids?.by.get(one.asset), state));
    const step = (from, by) => { const known = all(); return known[known.findIndex((one) => one.id === from.id) + by] ?? null; };
    openCandidate(candidate, { step, toggle: toggleOne });
  }

  document.addEventListener("candidate-closed", ({ detail }) => {
    if (detail) list.element.querySelector(`[data-candidate="${detail.id}"]`)?.focus({ preventScroll: true });
  }, { signal });

  // Aids.
  let measuring = false;
  async function toggle(name, on) {
    state[name] = on;
    await needAids();
  }
  order.addEventListener("change", () => { state.order = order.value; needAids(); });

  async function needAids() {
    const wanted = state.fold || state.sound || state.different || state.space || state.order;
    if (wanted && !aids && !measuring) {
      measuring = true;
      try {
        const measured = await measure(`campaigns/${campaign.id}/aids`, signal, (known) => { aids = known; arrange(); });
        if (!measured && !signal.aborted) noAids();
      } catch (error) {
        toast(error.message, { bad: true });
      } finally {
        measuring = false;
      }
      return;
    }
    await arrange();
  }

  function noAids() {
    for (const input of aidBoxes.querySelectorAll("input, select")) input.disabled = true;
    for (const input of aidBoxes.querySelectorAll("input")) input.checked = false;
    Object.assign(state, { fold: false, sound: false, different: false, space: false, order: "" });
    order.value = "";
    toast("This server does not measure drafts");
    arrange();
  }

  /** Rows in their order, or one order over all of them. */
  async function arrange() {
    const rank = ORDERS.find(([value]) => value === state.order)?.[2];
    if (state.order === "palette" && aids && !aids.kit) {
      toast("The distance to the brand's colours needs a brand kit in the brief.", { bad: true });
      state.order = order.value = "";
      return arrange();
    }
    if (aids && (rank || state.different)) {
      const all = await everyCandidate();
      if (signal.aborted) return;
      const measured = (candidate) => aids.by.get(candidate.asset);
      let shown = all.filter((candidate) => measured(candidate) && isShown(measured(candidate), state));
      if (state.different) shown = shown.filter((candidate) => measured(candidate).different !== null).sort((a, b) => measured(a).different - measured(b).different);
      if (rank) shown.sort((a, b) => (rank(measured(a)) ?? Infinity) - (rank(measured(b)) ?? Infinity));
      flat = shown;
    } else flat = null;
    focus = [0, 0];
    layOut();
    say();
  }

  /** All candidates, those of loaded rows being the same objects. */
  async function everyCandidate() {
    const known = new Map([...pages.values()].flatMap((page) => (page.rows ?? []).flatMap((row) => row.drafts)).map((draft) => [draft.id, draft]));
    const all = [];
    for (;;) {
      const found = await get(`campaigns/${campaign.id}/candidates?limit=200&offset=${all.length}`);
      all.push(...found.candidates.map((one) => known.get(one.id) ?? one));
      if (!found.candidates.length || all.length >= found.total || signal.aborted) return all;
    }
  }

  // News of its jobs.
  const stale = new Set();
  const refresh = calm(() => {
    if (signal.aborted || !place.isConnected) return;
    const again = [...stale];
    stale.clear();
    for (const page of again) if (pages.has(page)) load(page);
    // Candidates are kept a moment after their job ends.
    if (again.some((page) => pages.get(page)?.rows?.some((row) => row.state === "queued"))) setTimeout(() => { again.forEach((page) => stale.add(page)); refresh(); }, 900);
  }, 350);
  const renewRow = (key) => {
    for (const [page, { rows }] of pages) {
      const at = rows?.findIndex((row) => row.key === key) ?? -1;
      if (at >= 0) { stale.add(page); if (!flat) keepFocus(() => list.renew(page * PAGE + at), page * PAGE + at); return rows[at]; }
    }
    return null;
  };
  const hear = (name, work) => news.addEventListener(name, ({ detail }) => work(detail), { signal });
  const place_of = (job, image) => {
    const known = jobs.get(job);
    return known?.stage === "drafts" ? `${known.row}:${image}` : null;
  };
  const emerge = (key, url) => {
    if (!key) return;
    emerging.set(key, url);
    const image = list.element.querySelector(`[data-emerging="${CSS.escape(key)}"] img`);
    if (image) Object.assign(image, { src: url, className: "emerging" });
  };
  hear("job", (job) => {
    if (job.batch !== campaign.id || !job.label) return;
    if (job.state === "running") jobs.set(job.id, job.label);
    const row = renewRow(job.label.row);
    if (row && job.label.stage === "drafts" && row.state !== "done") row.state = "queued";
  });
  hear("preview", ({ job, image, url }) => emerge(place_of(job, image), url));
  hear("asset", (asset) => emerge(place_of(asset.job, asset.position), source(asset.id, Math.min(widest, 256))));
  hear("done", (job) => {
    if (job.batch !== campaign.id) return;
    jobs.delete(job.id);
    if (job.label) renewRow(job.label.row);
    refresh();
  });
  hear("online", (online) => { if (online === true) { for (const page of pages.keys()) stale.add(page); refresh(); } });
  changes.addEventListener("campaign", ({ detail }) => {
    if (detail.campaign.id !== campaign.id) return;
    const ended = running && detail.campaign.state !== "running";
    const began = !running && detail.campaign.state === "running";
    running = detail.campaign.state === "running";
    if (ended || began) { for (const page of pages.keys()) stale.add(page); refresh(); }
    const { picked: picks, finals } = detail.campaign.progress;
    bar.hidden = !picks;
    told.textContent = `${picks} picked, ${finals} finished`;
  }, { signal });

  const told = h("b", {});
  bar.append(told, stageButton(campaign, "finals", signal), h("a", { className: "button", href: `#campaigns/${campaign.id}/review` }, "Review"));
  layOut();
  say();
  get(`jobs?batch=${campaign.id}&state=running&limit=10`).then(({ jobs: found }) => { for (const job of found) if (job.label) jobs.set(job.id, job.label); }).catch(() => {});
  place.prepend(h("p", { className: "sr" }, "Arrow keys go from draft to draft, Space or P picks and takes back, Enter opens."));
}
