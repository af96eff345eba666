// What was tried on people, and what it says.

export const title = "Tests";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
