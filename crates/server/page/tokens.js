// The prompt as the model reads it: its tokens, how many of the most that it can read, and what is cut.

import { post } from "./api.js";
import { at, calm, h } from "./dom.js";
import { count } from "./words.js";

let asked = "";

/** Shows the tokens of a prompt once typing pauses. */
export function showTokens(prompt, model) {
  const key = JSON.stringify([prompt, model]);
  if (key === asked) return;
  asked = key;
  if (prompt === "") return paint({ tokens: [], used: 0, limit: null });
  ask(prompt, model, key);
}

const ask = calm(async (prompt, model, key) => {
  const found = await post("tokens", { prompt, model }).catch(() => null);
  if (key === asked && found) paint(found);
}, 160);

function paint({ tokens, used, limit, chunks }) {
  const over = limit !== null && used > limit;
  at("tokens").replaceChildren(...tokens.map(({ text, kept }) => h("span", { className: kept ? "" : "cut" }, text)));
  // What was written last, or the cut, is what one wants to see.
  const seen = at("tokens").querySelector(".cut") ?? at("tokens").lastElementChild;
  if (seen) at("tokens").scrollLeft = seen.offsetLeft - at("tokens").offsetLeft - at("tokens").clientWidth / 2;
  const note = at("token-count");
  note.classList.toggle("warn", over);
  if (used === 0) note.textContent = "An empty prompt draws anything.";
  else if (over) note.textContent = `${used} of ${limit} tokens: the end is cut, put what matters first`;
  else if (limit !== null) note.textContent = `${used} of ${limit} tokens`;
  else note.textContent = `${count(used, "token")} in ${count(chunks, "chunk")}`;
}
