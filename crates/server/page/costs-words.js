// Amounts and times of the planner in words.

import { money, seconds } from "./words.js";

/** A decimal of the server as a number; null stays null. */
export const number = (amount) => (amount === null || amount === undefined ? null : Number(amount.amount));

export const paid = (amount) => (amount ? money(Number(amount.amount), amount.currency) : "–");

/** A time of any length. */
export function span(value) {
  if (value === null || value === undefined) return "–";
  return value < 172_800 ? seconds(value) : `${(value / 86_400).toLocaleString("en", { maximumFractionDigits: value < 864_000 ? 1 : 0 })} days`;
}

/** A round time for an axis. */
export function brief(value) {
  const [unit, name] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => value >= size) ?? [1, "s"];
  return `${(value / unit).toLocaleString("en", { maximumFractionDigits: 1 })} ${name}`;
}

export const energy = (kwh) => (kwh === null || kwh === undefined ? "–" : `${kwh.toLocaleString("en", { maximumSignificantDigits: 3 })} kWh`);

export const KINDS = { api: "by the picture", plan: "by the month", gpu_rent: "rented machine", own_hw: "own machine" };

/** Why an offer is greyed. */
export const aged = (line) => (line.stale ? `looked up on ${line.checked_on}, more than 90 days ago: look again before buying` : "");
