// What somebody fills in or has to be sure of: small forms in dialogs. A dialog is the browser's own: it keeps the focus, and
// Escape closes it.

import { h, write } from "../dom.js";

/** Opens a form; send(values) → a promise, and what it throws is told in the form. fields: [{name, label, value, type, hint}, …] */
export function ask(heading, text, fields, verb, send, { danger = false } = {}) {
  const inputs = fields.map(({ name, label, value = "", type = "text", hint = null, required = false }) => {
    const input = type === "checkbox"
      ? h("input", { type, name, checked: value === true })
      : h("input", { type, name, value, required, autocomplete: "off" });
    const note = hint === null ? null : h("small", {}, hint);
    return { input, element: h("label", { class: type === "checkbox" ? "tick" : null }, h("span", {}, label), input, note) };
  });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { type: "submit", class: danger ? "primary danger" : "primary" }, verb);
  const cancel = h("button", { type: "button", class: "quiet" }, "Cancel");
  const form = h("form", { method: "dialog" }, h("h2", {}, heading), text === "" ? null : h("p", { class: "hint" }, text),
    ...inputs.map((each) => each.element), wrong, h("div", { class: "answers" }, cancel, go));
  const dialog = h("dialog", { class: "ask asking" }, form);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(inputs.map(({ input }) => [input.name, input.type === "checkbox" ? input.checked : input.value.trim()]));
    go.disabled = true;
    write(wrong, "");
    try {
      await send(values);
      dialog.close();
    } catch (error) {
      write(wrong, error.message);
    } finally {
      go.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
