// Lines over time, drawn by uPlot (vendor/uplot). What they come to stands beside them in words: least, middle, most.

import { h, write } from "../dom.js";

const HEIGHT = 150;
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export class Lines {
  element;
  #unit;
  #plot = null;
  #uPlot = null;
  #data = null;
  #labels = [];
  #canvas = h("div", { class: "plot small" });
  #legend = h("ul", { class: "legend" });
  #none = h("p", { class: "hint" }, "Nothing was reported of it.");
  #size = new ResizeObserver(() => this.#resize());
  #closed = new AbortController();

  constructor(name, unit) {
    this.#unit = unit;
    this.element = h("section", { class: "panel-like lines", "aria-label": name },
      h("h3", {}, name, " ", h("small", {}, unit)), this.#none, this.#canvas, this.#legend);
    const { signal } = this.#closed;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot?.redraw(), { signal });
    this.#load();
  }

  /** lines: [{label, colour, dashed, points: [[seconds, value], …]}, …]; those without a point are left out. */
  paint(lines) {
    const shown = lines.filter((line) => line.points.some(([, value]) => value !== null));
    const times = [...new Set(shown.flatMap((line) => line.points.map(([at]) => at)))].sort((a, b) => a - b);
    this.#labels = shown;
    this.#data = [times, ...shown.map((line) => {
      const at = new Map(line.points);
      // A time of another line is no gap in this one.
      return times.map((time) => (at.has(time) ? at.get(time) : undefined));
    })];
    this.#none.hidden = shown.length > 0;
    this.#canvas.hidden = shown.length === 0;
    this.#legend.replaceChildren(...shown.map((line) => h("li", { "data-colour": line.colour, class: line.dashed ? "dashed" : null },
      h("i", { "aria-hidden": "true" }), h("span", {}, line.label), h("small", {}, summary(line.points)))));
    this.#draw();
  }

  close() {
    this.#closed.abort();
    this.#size.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  async #load() {
    const { default: uPlot } = await import("/static/vendor/uplot/uPlot.esm.js");
    if (this.#closed.signal.aborted) return;
    this.#uPlot = uPlot;
    this.#draw();
    this.#size.observe(this.#canvas);
  }

  #draw() {
    if (this.#uPlot === null || this.#data === null) return;
    this.#plot?.destroy();
    this.#plot = this.#labels.length === 0 ? null : new this.#uPlot(this.#options(), this.#data, this.#canvas);
  }

  #options() {
    const colour = (name) => () => getComputedStyle(this.element).getPropertyValue(name);
    const quiet = { stroke: colour("--soft"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return {
      width: Math.max(200, this.#canvas.clientWidth),
      height: HEIGHT,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 }, drag: { setScale: false, x: false, y: false } },
      scales: { y: { range: (_, __, highest) => [0, Math.max((highest ?? 0) * 1.1, 1)] } },
      axes: [
        { ...quiet, grid: { show: false }, size: 24, space: 90, values: (_, splits) => splits.map((at) => clock.format(at * 1000)) },
        { ...quiet, grid: { stroke: colour("--edge"), width: 1 }, size: 46, space: 34 },
      ],
      series: [{}, ...this.#labels.map((line) => ({
        label: line.label, stroke: colour(`--line-${line.colour}`), width: 1.8, dash: line.dashed ? [5, 4] : undefined,
        points: { show: line.points.length < 3, size: 5 }, spanGaps: false,
      }))],
      hooks: { setCursor: [(plot) => this.#told(plot)] },
    };
  }

  #told(plot) {
    const { idx } = plot.cursor;
    this.#labels.forEach((line, at) => {
      const value = idx === null || idx === undefined ? undefined : this.#data[at + 1][idx];
      const text = typeof value === "number" ? `${number.format(value)} ${this.#unit}` : summary(line.points);
      write(this.#legend.children[at].lastChild, text);
    });
  }

  #resize() {
    const width = this.#canvas.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }
}

function summary(points) {
  const values = points.map(([, value]) => value).filter((value) => value !== null).sort((a, b) => a - b);
  if (values.length === 0) return "";
  const [low, middle, high] = [values[0], values[Math.floor(values.length / 2)], values.at(-1)].map((each) => number.format(each));
  return low === high ? low : `${low} to ${high}, mostly ${middle}`;
}
