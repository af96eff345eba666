// Every pick for every channel.

export const title = "Deliver";

/** Fills the place with this part of the campaign. */
export function show(campaign, place) {
  place.replaceChildren();
}
