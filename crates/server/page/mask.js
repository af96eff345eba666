// Painting what is to be drawn anew: brush, eraser and rectangles over a picture, then a job that keeps the rest.

import { get, picture, post, postOnce, upload, ApiError } from "./api.js";
import { at, choices, checked, fill, h, showError } from "./dom.js";
import { planned, timeAndCost } from "./plan.js";
import { showRun } from "./runs.js";
import { nearest } from "./sizes.js";
import { model } from "./state.js";
import { count, presets } from "./words.js";

const [dialog, form, canvas, board] = ["mask", "mask-form", "mask-canvas", "mask-board"].map(at);
const TOOLS = [["brush", "Brush", "b"], ["eraser", "Eraser", "e"], ["box", "Rectangle", "r"]];
const NUMBERS = ["mask-left", "mask-top", "mask-width", "mask-height"];
/** Longest side of the mask in pixels; the server scales it to the picture. */
const LONGEST = 1024;

let asset = null;
let origin = null;
/** What was marked, in order, so that it can be taken back: `{kind, size, points}` or `{kind, box}`. */
let marks = [];
let undone = [];
/** The mark that the pointer is making. */
let making = null;
/** Called with the job once it is queued. */
let finished = () => {};

/** Opens a picture to have a part of it drawn anew. */
export async function openMask(of, after) {
  [asset, finished, marks, undone, making, origin] = [of, after, [], [], null, null];
  const scale = Math.min(1, LONGEST / Math.max(of.width, of.height));
  [canvas.width, canvas.height] = [of.width, of.height].map((side) => Math.max(1, Math.round(side * scale)));
  board.style.setProperty("--ratio", String(of.width / of.height));
  Object.assign(at("mask-picture"), { src: picture(of), alt: of.prompt || "the picture" });
  at("mask-prompt").value = of.prompt;
  repaint();
  showError(form, null);
  dialog.showModal();
  const job = of.job ? await get(`jobs/${of.job}`).catch(() => null) : null;
  if (asset !== of) return;
  origin = job;
  fill(at("mask-preset"), presets(model(job?.model)).map(([value, title]) => [value, title]), job?.request.preset ?? "standard");
  changed();
}

/** Draws a mark onto the mask. */
function apply(context, { kind, size, points, box }) {
  const { width, height } = context.canvas;
  context.save();
  if (kind === "eraser" || kind === "cut" || kind === "nothing") context.globalCompositeOperation = "destination-out";
  if (kind === "invert") context.globalCompositeOperation = "xor";
  context.fillStyle = context.strokeStyle = stripes(context);
  if (points) {
    Object.assign(context, { lineWidth: size, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y));
    if (points.length === 1) context.lineTo(...points[0]);
    context.stroke();
  } else {
    context.fillRect(...(box ?? [0, 0, width, height]));
  }
  context.restore();
}

/** Stripes are seen on every picture, whatever its colour. */
function stripes(context) {
  const tile = h("canvas", { width: 16, height: 16 });
  const paint = tile.getContext("2d");
  const image = paint.createImageData(16, 16);
  for (let i = 0; i < 256; i++) image.data.set((i + (i >> 4)) % 16 < 8 ? [255, 255, 255, 255] : [72, 40, 200, 255], 4 * i);
  paint.putImageData(image, 0, 0);
  return context.createPattern(tile, "repeat");
}

function repaint() {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (const mark of marks) apply(context, mark);
  const share = marked();
  at("mask-status").textContent = share === 0 ? "Nothing is marked yet." : `${share < 0.01 ? "Less than 1" : Math.round(100 * share)} % of the picture is marked.`;
  at("mask-undo").disabled = marks.length === 0;
  at("mask-redo").disabled = undone.length === 0;
}

/** Share of the picture that is marked. */
function marked() {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 3; i < data.length; i += 4) sum += data[i];
  return sum / 255 / (canvas.width * canvas.height);
}

function add(mark) {
  marks.push(mark);
  undone = [];
  repaint();
  showError(form, null);
}

function undo() {
  if (marks.length) undone.push(marks.pop());
  repaint();
}

function redo() {
  if (undone.length) marks.push(undone.pop());
  repaint();
}

/** Where the pointer is, in pixels of the mask. */
function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
}

/** The brush's width in pixels of the mask. */
const width = () => Number(at("mask-size").value) / 100 * Math.max(canvas.width, canvas.height);
const tool = () => checked(at("mask-tools"))[0];

function press(event) {
  if (event.button !== 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  making = { kind: tool(), size: width(), points: [place(event)] };
  if (making.kind !== "box") apply(canvas.getContext("2d"), making);
}

function drag(event) {
  ring(event);
  if (!making) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) making.points.push(place(one));
  if (making.kind === "box") outline(between(making.points));
  else apply(canvas.getContext("2d"), { ...making, points: making.points.slice(-8) });
}

function release() {
  if (!making) return;
  const { kind, points } = making;
  const mark = kind === "box" ? { kind: "add", box: between(points) } : making;
  making = null;
  outline(null);
  add(mark);
}

function between(points) {
  const [[x, y], [u, v]] = [points[0], points.at(-1)];
  return [Math.min(x, u), Math.min(y, v), Math.abs(x - u), Math.abs(y - v)];
}

const percent = (part, whole) => `${100 * part / whole}%`;

function put(element, [x, y, w, h]) {
  const sides = { left: percent(x, canvas.width), top: percent(y, canvas.height), width: percent(w, canvas.width), height: percent(h, canvas.height) };
  for (const [name, value] of Object.entries(sides)) element.style.setProperty(name, value);
}

/** Shows where a rectangle would be. */
function outline(box) {
  at("mask-box").hidden = !box;
  if (box) put(at("mask-box"), box);
}

/** Shows how wide the brush is, under the pointer. */
function ring(event) {
  const size = width();
  const [x, y] = place(event);
  at("mask-ring").hidden = tool() === "box" || event.pointerType === "touch";
  put(at("mask-ring"), [x - size / 2, y - size / 2, size, size]);
}

/** The rectangle that the numbers say, in pixels of the mask. */
function numbers() {
  const [left, top, wide, high] = NUMBERS.map((id) => Math.min(Math.max(Number(at(id).value) || 0, 0), 100) / 100);
  return [left * canvas.width, top * canvas.height, Math.min(wide, 1 - left) * canvas.width, Math.min(high, 1 - top) * canvas.height];
}

/** The mask as a picture: white where to draw, black where to keep. */
function asPicture() {
  const copy = h("canvas", { width: canvas.width, height: canvas.height });
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, copy.width, copy.height);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, copy.width, copy.height);
  return new Promise((resolve) => copy.toBlob(resolve, "image/png"));
}

/** The job, but for its mask: what the picture was drawn with, from the picture on. */
function request() {
  const { seed, steps, ...before } = origin?.request ?? {};
  const preset = at("mask-preset").value || undefined;
  return {
    ...before, prompt: at("mask-prompt").value.trim(), preset, steps: preset === before.preset ? steps : undefined,
    count: Number(at("mask-count").value), strength: Number(at("mask-strength").value), start: asset.id,
    model: origin?.model, project: asset.project, size: before.size ?? nearest(asset.width, asset.height, model(origin?.model)),
  };
}

function changed() {
  at("mask-strength-value").textContent = Number(at("mask-strength").value).toFixed(2);
  at("mask-label").textContent = `Draw ${count(Number(at("mask-count").value), "picture")} there`;
  plan(request());
}

const plan = planned(at("mask-plan"), form, async (job) => timeAndCost(await post("plan", job)));

let sending = false;
async function draw() {
  if (sending) return;
  sending = true;
  try {
    if (marked() === 0) throw new ApiError(400, { code: "invalid_field", field: "mask", message: "mark what is to be drawn anew" });
    const mask = await upload(`uploads?${new URLSearchParams({ mask_for: asset.id, project: asset.project })}`, await asPicture());
    const job = await postOnce("jobs", { ...request(), mask: mask.id });
    dialog.close();
    showRun(job);
    finished(job);
  } catch (error) {
    showError(form, error);
  } finally {
    sending = false;
  }
}

function keys(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return void (event.preventDefault(), draw());
  if (event.target.matches("textarea, input:not([type=radio], [type=range])")) return;
  const letter = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    const work = letter === "y" || (letter === "z" && event.shiftKey) ? redo : letter === "z" ? undo : null;
    if (work) { event.preventDefault(); work(); }
    return;
  }
  const known = TOOLS.find(([, , key]) => key === letter);
  if (known) at("mask-tools").querySelector(`[value=${known[0]}]`).click();
  if (letter === "[" || letter === "]") at("mask-size")[letter === "[" ? "stepDown" : "stepUp"](2);
}

function setUp() {
  choices(at("mask-tools"), "radio", "tool", TOOLS.map(([value, title]) => [value, title]), ["brush"]);
  const pointer = { pointerdown: press, pointermove: drag, pointerup: release, pointercancel: release };
  for (const [event, work] of Object.entries(pointer)) canvas.addEventListener(event, work);
  canvas.addEventListener("pointerleave", () => { at("mask-ring").hidden = true; });
  at("mask-undo").addEventListener("click", undo);
  at("mask-redo").addEventListener("click", redo);
  for (const kind of ["all", "invert", "nothing"]) at(`mask-${kind}`).addEventListener("click", () => add({ kind }));
  for (const kind of ["add", "cut"]) at(`mask-${kind}`).addEventListener("click", () => add({ kind, box: numbers() }));
  for (const id of NUMBERS) {
    for (const event of ["focus", "input"]) at(id).addEventListener(event, () => outline(numbers()));
    at(id).addEventListener("blur", () => outline(null));
  }
  at("mask-close").addEventListener("click", () => dialog.close());
  for (const id of ["mask-prompt", "mask-strength", "mask-count", "mask-preset"]) at(id).addEventListener("input", changed);
  form.addEventListener("submit", (event) => (event.preventDefault(), draw()));
  dialog.addEventListener("keydown", keys);
}

setUp();
