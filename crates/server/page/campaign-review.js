// What is picked on its way to approval: states, comments on a place, locks, share links.

export const title = "Review";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
