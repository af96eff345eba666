// Duels with the names hidden, and what they say.

export const title = "Bake-off";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
