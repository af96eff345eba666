// The drafts of a campaign, picks and finals.

export const title = "Grid";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
