// How views are made and kept up to date: elements are made once, and then written to only where something has changed. So a
// refresh moves neither the scroll position nor the focus, and closes nothing that was opened.

/** An element. Attributes by name; one that is null or false is left out. Children are nodes or text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(made, name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Writes a text if it is another one than before. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute if it is another one than before; null or false takes it away. */
export function set(node, name, value) {
  if (value === null || value === false || value === undefined) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/**
 * The children of an element, one for each item of a list that changes: who stays keeps its element.
 *
 * make(item) → {element, paint(item)}; paint is called with each update.
 */
export class Rows {
  #parent;
  #make;
  #rows = new Map(); // key → {element, paint}

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  /** onLost() is called if the focus was on something that is no more. */
  update(items, keyOf, onLost = () => {}) {
    const focused = this.#parent.contains(document.activeElement) ? document.activeElement : null;
    const wanted = new Set(items.map(keyOf));
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    items.forEach((item, at) => {
      const key = keyOf(item);
      let row = this.#rows.get(key);
      if (row === undefined) this.#rows.set(key, (row = this.#make(item)));
      const there = this.#parent.children[at];
      if (there !== row.element) this.#parent.insertBefore(row.element, there ?? null);
      row.paint(item);
    });
    if (focused === null || document.activeElement === focused) return;
    // What is moved loses the focus, and should not.
    if (focused.isConnected) focused.focus({ preventScroll: true });
    else onLost();
  }
}

/** A table and its body. columns: [{name, label, number, title}, …]; narrow screens show the label beside each cell. */
export function table(caption, columns, attributes = {}) {
  const body = h("tbody");
  const head = columns.map(({ label, title = null, number = false }) =>
    h("th", { scope: "col", title, class: number ? "number" : null }, label));
  const called = h("caption", { class: "unheard" }, caption);
  return { element: h("table", attributes, called, h("thead", {}, h("tr", {}, ...head)), body), body };
}

/** A row of such a table, and its cells by the columns' names. The first one names the row. */
export function row(columns, attributes = {}) {
  const cells = {};
  const element = h("tr", attributes);
  columns.forEach(({ name, label, number = false }, at) => {
    const cell = at === 0
      ? h("th", { scope: "row" })
      : h("td", { "data-label": label, class: number ? "number" : null });
    cells[name] = cell;
    element.append(cell);
  });
  return { element, cells };
}
