// The plan on a button: what will be drawn takes so long and costs so much, asked for once its fields have been still for a moment.

import { calm, showError } from "./dom.js";
import { money, seconds } from "./words.js";

/** Keeps the plan at `place` up to date: `ask` makes of what was given the words, or throws what is wrong with the form. */
export function planned(place, form, ask) {
  let newest = 0;
  const answer = calm(async (own, given) => {
    const mine = () => own === newest;
    try {
      const words = await ask(...given);
      if (!mine()) return;
      place.textContent = words;
      showError(form, null);
    } catch (error) {
      if (!mine()) return;
      place.textContent = "cannot be drawn like this";
      showError(form, error);
    }
    place.classList.remove("old");
  });
  return (...given) => {
    place.classList.add("old");
    answer(++newest, given);
  };
}

/** Time and money of a plan. */
export const timeAndCost = (plan) => `about ${seconds(plan.seconds)} · ${money(plan.cost, plan.currency)}`;
