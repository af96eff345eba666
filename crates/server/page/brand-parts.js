// Parts that brand and delivery share: findings and palettes as lists, channels in groups, a preview that keeps up with typing.

import { post } from "./api.js";
import { calm, h } from "./dom.js";

const LEVELS = { error: ["Must not go out", "bad"], warning: ["Look at it", "warn-tag"], note: ["Good to know", ""] };
const PLATFORMS = { meta: "Meta", google: "Google", linkedin: "LinkedIn", x: "X", tiktok: "TikTok", youtube: "YouTube", pinterest: "Pinterest", email: "E-mail" };

/** What is to be known, as a list for people; `more` are findings of the kit (`field`, `message`). */
export function findings(found, more = []) {
  const shown = [...found, ...more.map(({ field, message }) => ({ level: "warning", message: `kit ${field}: ${message}` }))];
  if (!shown.length) return h("p", { className: "finding-none" }, "Nothing to remark.");
  const one = ({ level, message }) => h("li", {}, h("span", { className: `tag ${LEVELS[level][1]}` }, LEVELS[level][0]), h("span", {}, sentence(message)));
  return h("ul", { className: "findings" }, ...shown.map(one));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** How a picture's colours are to the kit's. */
export function palette(found) {
  if (!found) return null;
  const spots = (text) => [...new Set(text.match(/#[0-9a-f]{6}/g) ?? [])].map(swatch);
  return h("div", { className: "palette-found" },
    h("p", {}, h("b", {}, `${Math.round(found.inside * 100)} %`), " of the picture lies within the palette; on average its colours are ", h("b", {}, found.distance.toFixed(0)), " (CIEDE2000) away."),
    found.findings.length ? h("ul", { className: "findings" }, ...found.findings.map((text) => h("li", {}, h("span", { className: "spots" }, ...spots(text)), h("span", {}, text)))) : null);
}

/** A small field of a colour. */
export const swatch = (colour) => h("i", { className: "swatch", css: { "background-color": colour }, title: colour });

/** The platform of a channel, in words. */
export const platform = (channel) => PLATFORMS[channel.id.split(".")[0]] ?? channel.id.split(".")[0];

/** A channel without its platform. */
export const shortName = (channel) => channel.id.split(".").slice(1).join(" ") || channel.id;

/** Channels by platform: `[[platform, channels]]`. */
export function grouped(channels) {
  const groups = new Map();
  for (const channel of channels) groups.set(platform(channel), [...(groups.get(platform(channel)) ?? []), channel]);
  return [...groups];
}

/** Asks for compositions as they are needed: `ask(request)` once it has been still, and only the newest answer is shown. */
export function composer({ begun = () => {}, done, failed, wait = 160 }) {
  let newest = 0;
  const send = calm(async (own, request) => {
    try {
      const made = await post("compose/preview", request);
      if (own === newest) done(made, request);
    } catch (error) {
      if (own === newest) failed(error);
    }
  }, wait);
  return (request) => {
    begun();
    send(++newest, request);
  };
}

/** One composition as a figure: a place of its shape, and the picture when it is there. */
export function composed(request, { width, height }, caption) {
  const image = h("img", { alt: caption });
  const note = h("figcaption", {}, caption);
  const figure = h("figure", { className: "composed" }, h("div", { className: "composed-place", css: { "aspect-ratio": `${width} / ${height}` } }, image), note);
  const ready = post("compose/preview", request).then((made) => {
    image.src = made.picture;
    const worst = made.findings.find((one) => one.level !== "note");
    if (worst) note.append(" ", h("span", { className: `tag ${LEVELS[worst.level][1]}`, title: worst.message }, worst.level === "error" ? "!" : "look"));
    return made;
  }, (error) => { note.append(` · ${error.message}`); });
  return { figure, ready };
}
