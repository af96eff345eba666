// Numbers in words: seconds, bytes, money, days.

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.95) return `${Math.max(value, 0.01).toFixed(value < 0.1 ? 2 : 1)} s`;
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(3, Math.floor(Math.log10(Math.max(value, 1)) / 3));
  const shown = value / 1000 ** step;
  return `${shown >= 10 || step === 0 ? Math.round(shown) : shown.toFixed(1)} ${units[step]}`;
}

export function money(value, currency) {
  if (value === null || value === undefined) return "";
  const digits = value === 0 || value >= 0.1 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumSignificantDigits: 2, maximumFractionDigits: 9 };
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency, ...digits }).format(value);
  } catch {
    return `${new Intl.NumberFormat("en", digits).format(value)} ${currency}`;
  }
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

export const when = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

const PRESETS = { turbo: "Turbo", draft: "Draft", standard: "Standard", final: "Final", lcm: "LCM", lightning: "Lightning" };
const STEPS = { turbo: 4, lcm: 4, lightning: 4, draft: 8, standard: 16, final: 25 };

export const presetName = (name) => PRESETS[name] ?? name;

/** A model's presets as `[value, title, note]`. */
export function presets(model) {
  return model.presets.map((name) => [name, presetName(name), STEPS[name] ? `${STEPS[name]} steps` : null]);
}
