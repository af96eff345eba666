// Share links of a campaign: made, copied, revoked, with what they allow said plainly.

import { get, post, remove } from "./api.js";
import { ask, h, showError, toast } from "./dom.js";
import { when } from "./words.js";

const DAYS = [["3", "3 days"], ["7", "a week"], ["14", "two weeks"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"]];

/** The card with the links of a campaign. */
export function shareCard(campaign) {
  const label = h("input", { id: "share-label", name: "label", maxLength: 100, placeholder: "agency, or a name" });
  const days = h("select", { id: "share-days", name: "days" }, ...DAYS.map(([value, words]) => h("option", { value, textContent: words, selected: value === "14" })));
  const fresh = h("div", { role: "status" });
  const list = h("ul", { className: "links" });
  const form = h("form", { className: "share-form", noValidate: true, autocomplete: "off" },
    h("div", { className: "field grow" }, h("label", { htmlFor: "share-label" }, "For whom"), label, h("p", { className: "error", data: { error: "label" }, role: "alert" })),
    h("div", { className: "field" }, h("label", { htmlFor: "share-days" }, "Ends after"), days, h("p", { className: "error", data: { error: "days" }, role: "alert" })),
    h("div", { className: "field" }, h("button", { type: "submit" }, "Make a link")),
    h("p", { className: "error", data: { error: "" }, role: "alert" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      if (!label.value.trim()) throw Object.assign(new Error("say for whom it is"), { field: "label" });
      const made = await post(`campaigns/${campaign.id}/links`, { label: label.value.trim(), days: Number(days.value) });
      label.value = "";
      showError(form, null);
      tell(made);
      load();
    } catch (error) {
      showError(form, error);
    }
  });

  function tell(made) {
    const address = new URL(made.page, location.href).href;
    const text = h("input", { id: "share-address", readOnly: true, value: address, aria: { label: `Link for ${made.link.label}` }, on: { focus: () => text.select() } });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(address);
        toast("Copied");
      } catch {
        text.select();
        toast("Press Ctrl + C to copy it");
      }
    };
    fresh.replaceChildren(h("div", { className: "notice fresh" },
      h("p", {}, `The link for ${made.link.label}. Copy it now: it is not shown again.`),
      h("div", { className: "row" }, text, h("button", { type: "button", className: "primary", on: { click: copy } }, "Copy"), h("a", { className: "button", href: made.page, target: "_blank", rel: "noreferrer" }, "Open"))));
    text.focus();
  }

  async function load() {
    try {
      const links = await get(`campaigns/${campaign.id}/links`);
      list.replaceChildren(...links.reverse().map(line));
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  function line(link) {
    const ended = link.expires_ms <= Date.now();
    const state = link.revoked_ms ? `revoked ${when(link.revoked_ms)}` : ended ? `ended ${when(link.expires_ms)}` : `until ${when(link.expires_ms)}`;
    return h("li", { className: link.revoked_ms || ended ? "ended" : "" }, h("span", {}, h("b", {}, link.label), h("span", { className: "hint" }, ` ${state}`)),
      link.revoked_ms || ended ? null : h("button", { type: "button", className: "quiet danger", aria: { label: `Revoke the link for ${link.label}` }, on: { click: () => revoke(link) } }, "Revoke"));
  }

  async function revoke(link) {
    if (!await ask(`Revoke the link for ${link.label}?`, "Whoever has it sees nothing any more, at once. Their comments stay.", "Revoke")) return;
    try {
      await remove(`campaigns/${campaign.id}/links/${link.id}`);
      load();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  load();
  return h("section", { className: "card share-card" }, h("h3", {}, "Share links"),
    h("p", { className: "hint" }, "Whoever has a link needs no key. They see the picks of this campaign and their comments, and can comment. They see no prompts, no seeds and no money, and can change nothing."),
    form, fresh, list);
}
