// Pictures go out with their keys, results come back as a CSV file, and it is asked how people came to the pictures.

import { post, remove, upload } from "./api.js";
import { ask, h, toast } from "./dom.js";
import { count } from "./words.js";

const ANSWERS = [
  ["platform_experiment", "The platform’s test tool", "An “A/B test” or “experiment” of the ads manager: it split people at random and kept them apart."],
  ["own", "We did, at random", "Our newsletter tool, our landing page, or the address of this test."],
  ["platform_optimised", "The platform, by what works", "Several ads in one group: each is shown to those who like such things, so the pictures had different people. Then nobody can say which is better."],
];

/** Export: files for the platform, and an address that assigns people. */
export function exportOf(test, again) {
  const path = `/api/v1/experiments/${test.id}/export`;
  return h("section", { className: "card" },
    h("h3", {}, "Show them to people"),
    h("p", { className: "hint" }, "Every picture has a key. It is the name of its file and ", h("code", {}, "utm_content"), " of its link; results come back under it."),
    h("div", { className: "buttons" },
      h("a", { className: "button", href: `${path}?zip=true`, download: "" }, "Pictures and list (ZIP)"),
      h("a", { className: "button", href: path, download: "" }, "List alone (CSV)")),
    test.assign_path ? published(test, again) : unpublished(test, again));
}

const unpublished = (test, again) =>
  h("p", { className: "hint" }, "For e-mail and landing pages this studio can choose at random itself. ",
    h("button", { type: "button", className: "quiet", on: { click: () => change(() => post(`experiments/${test.id}/publish`, {}), test, again) } }, "Give the test an address"));

function published(test, again) {
  const address = `${location.origin}${test.assign_path}?unit=ID`;
  const input = h("input", { id: "tests-address", readOnly: true, value: address, on: { focus: () => input.select() } });
  const withdraw = async () => {
    if (await ask("Withdraw the address?", "Pages and mails that use it get no picture any more; a new one will be another.", "Withdraw")) change(() => remove(`experiments/${test.id}/publish`), test, again);
  };
  return h("div", { className: "field" }, h("label", { htmlFor: "tests-address" }, "Address that chooses; anybody may ask it, nothing is kept"), input,
    h("p", { className: "hint" }, "Put an id that stays the same for a person where ID stands. Add ", h("code", {}, "&as=picture"), " for the picture itself, ", h("code", {}, "&as=redirect"), " for its landing page."),
    h("button", { type: "button", className: "quiet", on: { click: withdraw } }, "Withdraw"));
}

async function change(work, test, again) {
  try {
    await work();
    again(test.id);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** Import: a file, the question, what would happen, and only then the results. */
export function importOf(test, again) {
  const state = { file: null, answer: test.unit ? test.assignment : null };
  const told = h("div", { className: "tests-told", aria: { live: "polite" } });
  const input = h("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", className: "sr", id: "tests-file" });
  const name = h("b", {}, "Drop a CSV file with results, or choose one");
  const drop = h("label", { className: "drop", htmlFor: "tests-file" }, input, name,
    h("span", {}, `Columns: creative, day, people (or impressions), ${test.metric === "revenue" ? "revenue, revenue_squared" : test.metric}. One day of one picture a row.`));
  const take = (file) => {
    if (!file) return;
    state.file = file;
    name.textContent = file.name;
    check(test, state, told, again);
  };
  input.addEventListener("change", () => take(input.files[0]));
  drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), drop.classList.remove("over"), take(event.dataTransfer.files[0])));
  const one = ([value, title, note]) =>
    h("label", { className: "tests-question" },
      h("input", { type: "radio", name: "assignment", value, checked: state.answer === value, on: { change: () => ((state.answer = value), check(test, state, told, again)) } }),
      h("span", {}, h("b", {}, title), h("small", {}, note)));
  return h("section", { className: "card" }, h("h3", {}, "Bring results back"), drop,
    h("fieldset", { className: "field" }, h("legend", {}, "Who decided which person saw which picture?"), ...ANSWERS.map(one)), told);
}

const address = (test, state, more) => `experiments/${test.id}/results?${new URLSearchParams({ assignment: state.answer, ...more })}`;
const body = ({ file }) => new Blob([file], { type: "text/csv" });

async function check(test, state, told, again) {
  if (!state.file) return;
  if (!state.answer) return told.replaceChildren(h("p", { className: "notice" }, "One question first: who decided which person saw which picture?"));
  try {
    const found = await upload(address(test, state, { dry_run: true }), body(state));
    told.replaceChildren(...would(found, () => keep(test, state, found, told, again)));
  } catch (error) {
    told.replaceChildren(...refused(error));
  }
}

function would(found, keep) {
  const replaces = found.replaced > 0 || found.other_assignment;
  const text = (value) => (value === undefined ? "–" : value.toLocaleString("en"));
  const row = ({ creative, day, column, before, after }) =>
    h("tr", {}, h("td", {}, creative), h("td", {}, day), h("td", {}, column), h("td", { className: "number" }, text(before)), h("td", { className: "number" }, text(after)));
  return [
    h("p", {}, `${count(found.rows, "row")}, ${found.from} to ${found.to}: ${found.added} new, ${found.same} known already, ${found.replaced} that change what is there.`),
    found.other_assignment ? h("p", { className: "warn" }, "The results so far were said to have come otherwise. The answer will change for all of them.") : null,
    found.changes.length
      ? h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "What changes" } }, h("table", {}, h("caption", {}, "What changes"),
        h("thead", {}, h("tr", {}, ...["Picture", "Day", "Number", "Before", "After"].map((title, i) => h("th", { scope: "col", className: i > 2 ? "number" : "" }, title)))), h("tbody", {}, ...found.changes.map(row))))
      : null,
    h("div", { className: "buttons" }, h("button", { type: "button", className: "primary", on: { click: keep } }, replaces ? "Replace what changes and take the rest" : "Take these results")),
  ].filter(Boolean);
}

function refused(error) {
  const rows = error.rows ?? [];
  const row = ({ row: number, line, column, message }) =>
    h("tr", {}, h("td", { className: "number" }, String(number)), h("td", { className: "number" }, String(line)), h("td", {}, column ?? "–"), h("td", {}, message));
  return [
    h("p", { className: "error" }, rows.length ? `Nothing was taken: ${count(rows.length, "row is", "rows are")} wrong.` : `Nothing was taken: ${error.message}.`),
    rows.length
      ? h("div", { className: "scroll", tabIndex: 0, role: "region", aria: { label: "Rows that are wrong" } }, h("table", {}, h("caption", {}, "Correct these, and drop the file again"),
        h("thead", {}, h("tr", {}, ...["Row", "Line", "Column", "What is wrong"].map((title, i) => h("th", { scope: "col", className: i < 2 ? "number" : "" }, title)))), h("tbody", {}, ...rows.map(row))))
      : null,
  ].filter(Boolean);
}

async function keep(test, state, found, told, again) {
  try {
    await upload(address(test, state, { replace: Boolean(found.replaced || found.other_assignment) }), body(state));
    toast(`${count(found.rows, "row")} of results taken.`);
    again(test.id);
  } catch (error) {
    told.replaceChildren(...refused(error));
  }
}
