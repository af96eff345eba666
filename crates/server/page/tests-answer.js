// One test: the answer first, then what it rests on, then what to do next.

import { get, put } from "./api.js";
import { ask, h, toast } from "./dom.js";
import { exportOf, importOf } from "./tests-import.js";
import { thumb } from "./tests-make.js";
import { nextOf } from "./tests-next.js";
import { percent } from "./tests-planner.js";
import { intervals } from "./tests-plot.js";
import { count } from "./words.js";

const TONES = { winner: "good", tied: "good", unhealthy: "bad", described: "bad" };
const TAGS = { no_results: "Not yet", not_yet: "Not yet", winner: "A winner", tied: "Nearly", no_difference: "No difference", unhealthy: "Not to be trusted", described: "No winner possible" };
const CALLS = { better: "better", worse: "worse", unclear: "not told apart", not_yet: "too early" };
/** Plots that are shown before somebody asks for more. */
const PLOTS = 6;

const digits = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
const signed = (value, text) => `${value < 0 ? "−" : value > 0 ? "+" : ""}${text(Math.abs(value))}`;

const loss = ({ metric }, value) =>
  metric === "revenue" ? `${digits(value)} a person` : value < 1e-5 ? `under 0.01 ${metric} of 1,000 people` : `${digits(value * 1000)} ${metric} of 1,000 people`;

/** Fills the stage with a test. */
export async function testOf(test, stage, again) {
  stage.replaceChildren(h("p", { className: "hint", role: "status" }, "Adding the days up…"));
  const report = await get(`experiments/${test.id}/report`);
  const metric = report.report?.metrics[0];
  const shares = report.report?.health?.sound && metric.beliefs ? await get(`experiments/${test.id}/weights`).catch(() => null) : null;
  stage.replaceChildren(...[
    answer(test, report),
    metric?.series?.length ? plots(test, report, metric) : null,
    metric ? table(test, report, metric) : pictures(test),
    h("div", { className: "tests-two" }, exportOf(test, again), importOf(test, again)),
    metric ? h("div", { className: "tests-two" }, health(report), shares ? bandit(test, shares, again) : null) : null,
    metric ? nextOf(test, report) : null,
  ].filter(Boolean));
}

function answer(test, report) {
  const { kind, headline, cautions } = report.answer;
  const days = report.days.length ? `${count(report.days.length, "day")}, ${report.days[0]} to ${report.days.at(-1)}` : null;
  const warnings = [...cautions, ...(report.days.length ? [] : test.warnings)];
  return h("section", { className: "card tests-answer", data: { kind } },
    h("p", { className: "tests-over" }, h("span", { className: `tag ${TONES[kind] ?? ""}` }, TAGS[kind] ?? kind), " ", [test.name, test.metric, days].filter(Boolean).join(" · ")),
    h("h2", { tabIndex: -1 }, headline),
    ["winner", "tied", "not_yet", "no_difference"].includes(kind) ? h("p", { className: "hint" }, `You may look every day: the chance of ever naming a difference that is none stays below ${percent(report.alpha)}.`) : null,
    kind === "described" ? h("p", { className: "hint" }, "What each picture brought is shown below. To compare them, use the platform’s test tool, or let this studio choose at random.") : null,
    report.progress ? progress(report.progress) : null,
    warnings.length ? h("ul", { className: "tests-cautions" }, ...warnings.map((text) => h("li", {}, text))) : null);
}

function progress({ people_per_arm: planned, fewest }) {
  const text = `${fewest.toLocaleString("en")} of the ${planned.toLocaleString("en")} people that were planned for each picture`;
  return h("div", { className: "tests-progress" }, h("progress", { max: planned, value: Math.min(fewest, planned), aria: { label: text } }), h("small", {}, text));
}

/** How values of the metric are written: rates in percent, money as it is; and differences of them. */
const writers = (metric, kind) => ({
  value: kind === "revenue" ? digits : (value) => percent(value),
  effect: metric.scale === "relative" ? (value) => percent(value) : kind === "revenue" ? digits : (value) => `${digits(value * 100)} points`,
});

function plots(test, report, metric) {
  const { effect } = writers(metric, test.metric);
  const first = metric.arms[controlOf(metric)].name;
  const caring = metric.scale === "relative" ? report.caring : 0;
  const arms = [...metric.versus].sort((a, b) => (b.any_time?.estimate ?? -Infinity) - (a.any_time?.estimate ?? -Infinity)).map(({ arm }) => arm);
  const one = (arm) => {
    const points = metric.series.filter((point) => point.arm === arm);
    if (!points.length) return null;
    const { estimate, interval } = points.at(-1);
    const name = metric.arms[arm].name;
    const words = `${signed(estimate, effect)}, between ${signed(interval.low, effect)} and ${signed(interval.high, effect)}`;
    return h("figure", { className: "tests-figure" }, h("figcaption", {}, h("b", {}, `${name} against ${first}`), ` ${words}`), intervals(`${name} against ${first}: ${words}`, points, caring, (value) => signed(value, effect)));
  };
  const all = arms.map(one).filter(Boolean);
  const place = h("div", { className: "tests-plots" }, ...all.slice(0, PLOTS));
  const more = all.length > PLOTS ? h("button", { type: "button", on: { click: () => (place.append(...all.slice(PLOTS)), more.remove()) } }, `Show ${all.length - PLOTS} more`) : null;
  return h("section", {}, h("h2", {}, "How sure it is, day by day"),
    h("p", { className: "lead" }, `The line is what the days so far say, the band how far the truth may be from it. Only a band that leaves 0 behind says something. The tinted stripe is a difference below ${percent(report.caring)}, for which nobody cares.`),
    place, more);
}

const controlOf = (metric) => metric.arms.findIndex((_, i) => metric.versus ? metric.versus.every(({ arm }) => arm !== i) : i === 0);

function table(test, report, metric) {
  const { value, effect } = writers(metric, test.metric);
  const compared = Boolean(metric.versus);
  const control = controlOf(metric);
  const heads = ["Picture", report.unit === "impressions" ? "Impressions" : "People", test.metric === "revenue" ? "Revenue a person" : `Rate of ${test.metric}`];
  if (compared) heads.push("Against the first", "Chance to be the best", "Loss if chosen wrongly");
  const interval = (one, write) => (one ? h("small", {}, `${write(one.low)} to ${write(one.high)}`) : null);
  const versus = (i) => metric.versus?.find(({ arm }) => arm === i);
  const against = (i) => {
    const found = versus(i);
    if (i === control) return h("td", {}, "the first");
    const test = found?.any_time;
    return h("td", {}, test ? [signed(test.estimate, effect), " ", interval(test.interval, (one) => signed(one, effect))] : null, h("small", {}, found?.note ?? CALLS[found?.call] ?? ""));
  };
  const belief = (i) => {
    const found = metric.beliefs?.arms[i];
    if (!found) return [h("td", {}, "–"), h("td", {}, "–")];
    return [
      h("td", {}, h("span", { className: "tests-chance", css: { "--share": `${found.best * 100}%` } }, found.best < 0.001 ? "< 0.1 %" : found.best > 0.999 ? "> 99.9 %" : percent(found.best))),
      h("td", {}, loss(test, found.expected_loss)),
    ];
  };
  const row = (arm, i) => h("tr", {},
    h("th", { scope: "row" }, h("span", { className: "tests-name" }, thumb(test.creatives[i].asset, ""), h("span", {}, arm.name, h("small", {}, test.creatives[i].key)))),
    h("td", { className: "number" }, arm.people.toLocaleString("en")),
    h("td", {}, arm.mean === undefined ? "nobody yet" : value(arm.mean), " ", interval(arm.interval, value)),
    ...(compared ? [against(i), ...belief(i)] : []));
  return h("section", {}, h("h2", {}, compared ? "Picture by picture" : "What each picture brought"),
    h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Picture by picture" } }, h("table", { className: "tests-table" },
      h("thead", {}, h("tr", {}, ...heads.map((title, i) => h("th", { scope: "col", className: i === 1 ? "number" : "" }, title)))), h("tbody", {}, ...metric.arms.map(row)))),
    compared && metric.beliefs ? h("p", { className: "hint" }, metric.beliefs.may_stop
      ? `Choosing ${metric.arms[metric.beliefs.choice].name} now would cost less than anybody cares about, even if it is not the best.`
      : `Choosing ${metric.arms[metric.beliefs.choice].name} now would risk the least, but more than was said not to matter.`) : null);
}

/** The pictures, before there are results. */
const pictures = (test) =>
  h("section", {}, h("h2", {}, "Pictures"), h("div", { className: "tests-picks" },
    ...test.creatives.map(({ asset, name, key, share }) => h("div", { className: "tests-pick" }, thumb(asset, name), h("span", {}, name, h("small", {}, `${key} · ${percent(share)}`))))));

function health(report) {
  const found = report.report.health;
  if (!found) return h("section", { className: "card" }, h("h3", {}, "Health"), h("p", {}, "Shares are not checked: the platform chose them."));
  const sign = (good, text) => h("li", { className: good ? "good" : "bad" }, text);
  const items = [];
  if (found.ratio) items.push(sign(found.sound, found.sound ? `People arrived in the planned shares (p = ${digits(found.ratio.p_value)}).` : `People did not arrive in the planned shares (p = ${found.ratio.p_value.toExponential(1)}).`));
  else items.push(h("li", {}, "Whether people arrived as planned cannot be checked: shares were changed."));
  const warnings = report.report.metrics[0].warnings;
  items.push(sign(!warnings.length, warnings.length ? `Too little data: ${warnings[0]}.` : "Every picture has enough people to say something."));
  items.push(sign(report.unit === "people", report.unit === "people" ? "People were counted." : "Impressions were counted, not people."));
  items.push(sign(report.days.length >= 7, report.days.length >= 7 ? "A whole week was seen." : "No whole week was seen yet."));
  return h("section", { className: "card" }, h("h3", {}, "Health"), h("ul", { className: "tests-checks" }, ...items));
}

function bandit(test, { shares, words }, again) {
  const row = ({ name, now, next: then }) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { className: "number" }, percent(now)), h("td", { className: "number" }, percent(then)));
  const use = async () => {
    if (!await ask("Use these shares?", words, "Use them")) return;
    try {
      await put(`experiments/${test.id}/weights`, { weights: shares.map((share) => share.next) });
      toast("The next people are shared out so.");
      again(test.id);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  return h("section", { className: "card" }, h("h3", {}, "Rather earn than know?"), h("p", { className: "hint" }, words),
    h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Shares of the next people" } }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Picture"), h("th", { scope: "col", className: "number" }, "Now"), h("th", { scope: "col", className: "number" }, "Next days"))), h("tbody", {}, ...shares.map(row)))),
    h("div", { className: "buttons" }, h("button", { type: "button", on: { click: use } }, "Use these shares")));
}
