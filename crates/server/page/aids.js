// What can be measured of pictures, drafts of a campaign or those of the library: it groups and hides, and never says which one people
// will like.

import { get } from "./api.js";
import { h } from "./dom.js";
import { count } from "./words.js";

/** What each switch does. */
const SWITCHES = {
  fold: ["Fold twins", "Of those that look alike, show one"],
  different: ["Six most different", "Only the six that differ most"],
  sound: ["Hide broken", "Leave out what is empty, flat, burnt or torn"],
  space: ["Room for words", "Show where words would stand best"],
};

/** How drafts may be put in order: what to ask of a picture, lowest first. Null where it cannot be said. */
export const ORDERS = [
  ["", "As they were drawn", null],
  ["palette", "Nearest to the brand's colours", (picture) => picture.palette?.distance ?? null],
  ["quiet", "Most room for words", (picture) => -picture.quiet],
  ["sharpness", "Sharpest first", (picture) => -picture.sharpness],
];

/** Asks for the aids at a path until all of its pictures are looked at; `told` is called with what is known so far. It gives null
 * where the server has none. */
export async function measure(path, signal, told) {
  for (;;) {
    let found;
    try {
      found = await get(path);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
    if (signal.aborted) return null;
    const aids = { ...found, by: new Map(found.pictures.map((picture) => [picture.asset, picture])) };
    told(aids);
    if (!found.pending) return aids;
  }
}

/** Whether a picture is to be seen with these switches; what was not measured is. */
export function isShown(picture, { fold, sound }) {
  if (!picture) return true;
  if (sound && picture.broken.length) return false;
  return !fold || picture.leads || picture.broken.length > 0;
}

/** How many look like this one, itself counted; 1 without a twin. */
export const alike = (aids, picture) => (picture && picture.group !== null ? aids.groups[picture.group].length : 1);

/** Switches by name, with `more` beside them; `toggled` is called with the name of one and whether it is on. */
export function switches(prefix, names, toggled, ...more) {
  const box = (name) => h("label", { className: "check", title: SWITCHES[name][1] },
    h("input", { type: "checkbox", id: `${prefix}-${name}`, on: { change: (event) => toggled(name, event.target.checked) } }), SWITCHES[name][0]);
  return h("div", { className: "aids", role: "group", aria: { label: "Ranking aids" } }, ...names.map(box), ...more);
}

/** What was found, or how far it is; `one` names what was looked at. */
export const foundWords = (aids, one) =>
  aids.pending ? `${aids.analysed} of ${count(aids.total, one)} are looked at` : `${count(aids.broken.length, `broken ${one}`)}, ${count(aids.groups.filter((group) => group.length > 1).length, "group")} of twins`;

/** The place for words on a picture, drawn over it, if it has one. */
export const placeFor = (picture) => {
  const place = picture?.broken.length ? null : picture?.copy_space;
  return place ? [h("i", { className: "space", css: { left: `${place.x * 100}%`, top: `${place.y * 100}%`, width: `${place.width * 100}%`, height: `${place.height * 100}%` } })] : [];
};
