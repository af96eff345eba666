// What a campaign has become.

export const title = "Report";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
