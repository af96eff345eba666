// A test is made of picks: which, what decides it, and where they lead.

import { post } from "./api.js";
import { choices, empty, h, showError } from "./dom.js";
import { count } from "./words.js";

const METRICS = [["clicks", "Clicks"], ["conversions", "Conversions"], ["revenue", "Revenue"]];
const MOST = 64;

/** A small picture of an asset. */
export const thumb = (asset, alt, width = 160) =>
  asset ? h("img", { src: `/api/v1/assets/${asset}/file?width=${width}&format=webp`, alt, loading: "lazy", width: 80, height: 80 }) : h("span", { className: "tests-gone" }, "removed");

/** The form that makes a test; the plan of the planner goes with it. */
export function makerOf(campaign, candidates, planner, again) {
  if (candidates.length < 2) {
    return h("section", {}, empty("A test needs two picks", "Pick drafts that differ as much as possible: different ideas, not shades of one.",
      h("a", { className: "button", href: `#campaigns/${campaign.id}/grid` }, "To the grid")));
  }
  const form = h("form", { className: "card tests-make" });
  const metrics = h("div", { className: "chips" });
  choices(metrics, "radio", "metric", METRICS, ["clicks"]);
  const picks = candidates.slice(0, MOST).map((candidate, i) => pick(candidate, i));
  const error = (name) => h("p", { className: "error", data: { error: name } });
  const note = h("p", { className: "hint", role: "status" });
  const button = h("button", { className: "primary" });
  const counted = () => {
    const chosen = form.querySelectorAll("input[name=creative]:checked").length;
    button.textContent = `Make a test of ${count(chosen, "picture")}`;
    button.disabled = chosen < 2;
    note.textContent = chosen > 3 ? "Few and very different pictures say more than many that look alike." : "";
  };
  form.append(
    h("h2", { className: "tests-first" }, "Make a test"),
    h("div", { className: "field" }, h("label", { htmlFor: "tests-name" }, "Name"), h("input", { id: "tests-name", name: "name", required: true, maxLength: 100, value: `${campaign.name} test` }), error("name")),
    h("fieldset", { className: "field" }, h("legend", {}, "What decides it"), metrics),
    h("fieldset", { className: "field" }, h("legend", {}, "Pictures; the others are compared with the first"), h("div", { className: "tests-picks" }, ...picks), error("creatives"), note),
    h("div", { className: "row tests-row" },
      h("div", { className: "field grow" }, h("label", { htmlFor: "tests-url" }, "Landing page, if they lead to one"), h("input", { id: "tests-url", name: "url", inputMode: "url", placeholder: "shop.example/spring" }), error("url")),
      h("div", { className: "field" }, h("label", { htmlFor: "tests-source" }, "Source in links"), h("input", { id: "tests-source", name: "source", value: "newsletter" }), error("source"))),
    error(""), h("div", { className: "buttons" }, button));
  form.addEventListener("change", counted);
  form.addEventListener("submit", (event) => (event.preventDefault(), make(form, campaign, planner, again)));
  counted();
  return h("section", {}, form);
}

function pick({ id, row, position, asset, final }, i) {
  const name = `${row} · ${position + 1}`;
  return h("label", { className: "tests-pick" }, h("input", { type: "checkbox", name: "creative", value: id, checked: i < 4 }), thumb(final ?? asset, ""), h("span", {}, name));
}

async function make(form, campaign, planner, again) {
  const data = new FormData(form);
  const { rate, lift, traffic, days } = planner.request();
  const creatives = data.getAll("creative").map((candidate) => ({ candidate }));
  const metric = data.get("metric");
  const request = { name: data.get("name").trim(), campaign: campaign.id, metric, source: data.get("source").trim(), creatives };
  const url = data.get("url").trim();
  if (url) request.url = url.includes(":") ? url : ["https:", "", url].join("/");
  // The planner speaks of rates.
  if (metric !== "revenue") request.plan = { rate, lift, arms: creatives.length, traffic, days };
  try {
    const made = await post("experiments", request);
    showError(form, null);
    again(made.id);
  } catch (error) {
    showError(form, error);
  }
}
