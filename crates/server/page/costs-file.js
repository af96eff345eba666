// The catalogue as a file to edit; what is wrong with it is told by row, field and line.

import { h, toast } from "./dom.js";

const PATH = "/api/v1/prices/file";

/** Opens the file in a dialog; gives the catalogue that is used from then on, or null if nothing changed. */
export async function editPrices() {
  const response = await fetch(PATH);
  if (!response.ok) throw new Error("the prices cannot be read");
  const text = h("textarea", { id: "prices-text", rows: 22, spellcheck: false, className: "prices-text", value: await response.text() });
  const wrong = h("ul", { className: "prices-wrong" });
  const open = h("input", { type: "file", id: "prices-open", accept: ".toml,text/plain" });
  const dialog = h("dialog", { className: "prices", aria: { labelledby: "prices-title" } });
  let result = null;
  const send = async (method, body) => {
    const headers = body === undefined ? {} : { "content-type": "application/toml" };
    const answer = await fetch(PATH, { method, headers, body });
    const told = await answer.json();
    if (answer.ok) { result = told; dialog.close(); return toast(method === "PUT" ? "Your prices are used from now on" : "Back to the prices that come with the program"); }
    const rows = told.error.rows?.length ? told.error.rows : [{ row: "", field: "", line: null, message: told.error.message }];
    wrong.replaceChildren(...rows.slice(0, 50).map(problem));
    if (rows[0].line) select(rows[0].line);
  };
  const select = (line) => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
    text.scrollTop = (line - 6) * (text.scrollHeight / Math.max(lines.length, 1));
  };
  const problem = ({ row, field, line, message }) => h("li", {},
    line ? h("button", { type: "button", className: "quiet", on: { click: () => select(line) } }, `Line ${line}`) : null, ` ${[row, field].filter(Boolean).join(": ")} ${message}`);
  open.addEventListener("change", async () => { if (open.files[0]) text.value = await open.files[0].text(); });
  const failed = (error) => toast(error.message, { bad: true });
  dialog.append(h("form", { method: "dialog" },
    h("h2", { id: "prices-title" }, "Prices"),
    h("p", { className: "hint" }, "One row an offer: what it asks, where that was read, and when. Nothing is ever fetched. Rows older than 90 days are greyed, retired ones cannot be chosen."),
    h("label", { className: "sr", htmlFor: "prices-text" }, "The catalogue"), text, h("div", { role: "alert" }, wrong),
    h("div", { className: "buttons" },
      h("button", { type: "button", className: "primary", on: { click: () => send("PUT", text.value).catch(failed) } }, "Use these prices"),
      h("button", { type: "button", on: { click: () => dialog.close() } }, "Not now"),
      h("label", { className: "button", htmlFor: "prices-open" }, "Open a file", open),
      h("button", { type: "button", className: "danger", on: { click: () => send("DELETE").catch(failed) } }, "Back to those of the program"))));
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  dialog.remove();
  return result;
}
