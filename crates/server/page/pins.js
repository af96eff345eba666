// Comments that are pinned to places of a picture: numbered pins, a list, and a form to add one by pointing, by arrow keys or by
// numbers. Used by the review and by the page of a share link.

import { h, showError } from "./dom.js";

const STEP = 0.02;
const when = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
const percent = (share) => `${(share * 100).toFixed(1)}%`;

/** The parts of a picture with comments: `board` holds the picture, `talk` the comments and the form. `send` keeps `{x, y, text}`
 * and gives the comment as it was kept. */
export function pinned({ src, alt, ratio, comments, send }) {
  let place = null;
  const image = h("img", { src, alt, draggable: false });
  const target = h("button", { type: "button", className: "pin new", hidden: true, aria: { label: "Where the comment will be; arrow keys move it" } }, "+");
  const pins = h("div", { className: "pins" });
  const board = h("div", { className: "pin-board", css: { "--ratio": String(ratio) } }, image, pins, target);
  const list = h("ol", { className: "comments" });
  const text = h("textarea", { id: "comment-text", name: "text", rows: 3, maxLength: 4000, placeholder: "What should be different here?" });
  const left = h("input", { id: "comment-x", name: "x", type: "number", min: 0, max: 100, value: 50 });
  const top = h("input", { id: "comment-y", name: "y", type: "number", min: 0, max: 100, value: 50 });
  const hint = h("p", { className: "hint", id: "comment-hint" }, "Click a place of the picture, or say it about the whole.");
  const add = h("button", { type: "submit", className: "primary" }, "Comment");
  const error = h("p", { className: "error", data: { error: "" }, role: "alert" });
  const form = h("form", { className: "comment-form", noValidate: true, autocomplete: "off" },
    h("div", { className: "field" }, h("label", { htmlFor: "comment-text" }, "Comment"), text, h("p", { className: "error", data: { error: "text" }, role: "alert" })), hint,
    h("details", { className: "numbers" }, h("summary", {}, "Place it by numbers"),
      h("div", { className: "row" },
        h("div", { className: "field grow" }, h("label", { htmlFor: "comment-x" }, "Left, %"), left, h("p", { className: "error", data: { error: "x" }, role: "alert" })),
        h("div", { className: "field grow" }, h("label", { htmlFor: "comment-y" }, "Top, %"), top, h("p", { className: "error", data: { error: "y" }, role: "alert" })))),
    add, error);

  function show() {
    const words = (one, i) => `Comment ${i + 1} by ${one.author}: ${one.text}`;
    pins.replaceChildren(...comments.map((one, i) =>
      h("button", { type: "button", className: "pin", css: { left: percent(one.x), top: percent(one.y) }, title: words(one, i), aria: { label: words(one, i) }, on: { click: () => point(i) } }, String(i + 1))));
    list.replaceChildren(...comments.map((one, i) => h("li", { tabIndex: -1 },
      h("b", { className: "pin", aria: { hidden: "true" } }, String(i + 1)),
      h("div", {}, h("p", { className: "said" }, one.text), h("p", { className: "hint" }, [one.author, one.shared ? "by the share link" : "", when(one.at_ms)].filter(Boolean).join(" · "))))));
  }

  function point(i) {
    list.children[i].focus();
    list.children[i].scrollIntoView({ block: "nearest" });
    for (const [at, item] of [...list.children].entries()) item.classList.toggle("pointed", at === i);
  }

  function set(x, y) {
    const inside = (share) => Math.min(1, Math.max(0, share));
    place = { x: inside(x), y: inside(y) };
    Object.assign(left, { value: (place.x * 100).toFixed(0) });
    Object.assign(top, { value: (place.y * 100).toFixed(0) });
    target.hidden = false;
    target.style.setProperty("left", percent(place.x));
    target.style.setProperty("top", percent(place.y));
    hint.textContent = `It will be pinned ${left.value} % from the left and ${top.value} % from the top.`;
  }

  image.addEventListener("click", (event) => {
    const box = image.getBoundingClientRect();
    set((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    text.focus();
  });
  target.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    set(place.x + by[0], place.y + by[1]);
  });
  for (const number of [left, top]) number.addEventListener("input", () => set(Number(left.value) / 100, Number(top.value) / 100));
  text.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); event.stopPropagation(); form.requestSubmit(); } });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    add.disabled = true;
    try {
      if (!text.value.trim()) throw Object.assign(new Error("say what should be different"), { field: "text" });
      comments.push(await send({ ...(place ?? { x: 0.5, y: 0.5 }), text: text.value.trim() }));
      place = null;
      target.hidden = true;
      text.value = "";
      hint.textContent = "It is pinned. Click the next place, or go on.";
      showError(form, null);
      show();
    } catch (refused) {
      showError(form, refused);
    } finally {
      // What is disabled loses the focus, and keys with it.
      add.disabled = false;
      add.focus();
    }
  });
  show();
  const nothing = h("p", { className: "hint" }, comments.length ? "" : "No comments yet.");
  return { board, talk: h("section", { className: "talk" }, h("h3", {}, "Comments"), list, comments.length ? null : nothing, form) };
}
