// What can be measured of pictures, drafts of a campaign or those of the library: it groups and hides, and never says which one people
// will like.

import { get } from "./api.js";

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
