// Choosing a project, or making one.

import { askText, fill, toast } from "./dom.js";
import { addProject, projectItems, watch } from "./state.js";

/** Keeps a select filled with the projects, with a new one at the end; `usual` is chosen first. */
export function projectChoice(select, usual = "") {
  watch("projects", (projects) => {
    if (projects.length) fill(select, [...projectItems(), ["new", "New project…"]], select.value || usual);
  });
  offerNew(select);
}

/** Asks for a name when the last item is chosen. Others hear of the change when the project is there. */
export function offerNew(select) {
  let before = select.value;
  select.addEventListener("focus", () => { if (select.value !== "new") before = select.value; });
  select.addEventListener("change", async (event) => {
    if (select.value !== "new") return;
    event.stopImmediatePropagation();
    const name = await askText("New project", "Name", "Make it");
    const made = name ? await addProject(name).catch((error) => (toast(error.message, { bad: true }), null)) : null;
    if (made && ![...select.options].some((option) => option.value === made.id)) fill(select, [...projectItems(), ["new", "New project…"]]);
    select.value = made?.id ?? (before || "default");
    for (const name of ["input", "change"]) select.dispatchEvent(new Event(name, { bubbles: true }));
  });
}

/** The chosen project, once there is one. */
export const projectOf = (select) => (select.value === "new" ? undefined : select.value || undefined);
