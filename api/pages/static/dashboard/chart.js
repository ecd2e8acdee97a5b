// Usage per day as bars, drawn by uPlot (vendor/uplot). What its canvas shows can be reached without a pointer too: the chart
// is a slider over the days, which is what screen readers know how to read out and arrow keys how to move.

import { h, set, write } from "./dom.js";
import { counted, longDay, shortDay, usage } from "./format.js";

const HEIGHT = 260;
const WEEK = 7;
const LABEL_PX = 64; // between two days that are named

export class DayChart {
  element;
  #days = [];
  #at = null; // the day that is pointed at
  #plot = null;
  #uPlot = null;
  #unit = null;
  #canvas = h("div", { class: "plot" });
  #tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true }, h("b"), h("span"), h("span"));
  #mark = h("div", { class: "mark-day", hidden: true });
  #name = h("p", { class: "unit" });
  #size = new ResizeObserver(() => this.#resize());
  #closed = new AbortController();

  constructor() {
    this.element = h("div", {
      class: "chart", role: "slider", tabindex: "0", "aria-label": "Usage by day", "aria-orientation": "horizontal",
      "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "Loading",
    }, this.#name, this.#canvas);
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("focus", () => {
      if (this.element.matches(":focus-visible")) this.#point(this.#at ?? this.#days.length - 1);
    });
    this.element.addEventListener("blur", () => this.#point(null));
    const { signal } = this.#closed;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot?.redraw(), { signal });
    this.#load();
  }

  /** days: [{day, seconds, sessions}, …], oldest first. */
  paint(days) {
    const far = days.length !== this.#days.length;
    this.#days = days;
    set(this.element, "aria-valuemax", days.length - 1);
    this.#draw(far);
    this.#point(far ? null : this.#at);
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
    this.#draw(true);
    this.#size.observe(this.#canvas);
  }

  #draw(anew) {
    if (this.#uPlot === null || this.#days.length === 0) return;
    // Calls of minutes would be no bars at all on an axis of hours.
    const unit = Math.max(...this.#days.map((each) => each.seconds)) >= 3600 ? ["Hours", 3600] : ["Minutes", 60];
    const data = [this.#days.map((_, at) => at), this.#days.map((each) => each.seconds / unit[1])];
    write(this.#name, `${unit[0]} per day`);
    if (this.#plot !== null && !anew && this.#unit === unit[0]) {
      this.#plot.setData(data);
      return;
    }
    this.#unit = unit[0];
    this.#plot?.destroy();
    this.#plot = new this.#uPlot(this.#options(), data, this.#canvas);
    this.#plot.over.append(this.#mark, this.#tip);
  }

  #options() {
    const uPlot = this.#uPlot;
    const colour = (name) => () => getComputedStyle(this.element).getPropertyValue(name);
    const font = "12px system-ui, sans-serif";
    const quiet = { stroke: colour("--soft"), font, ticks: { show: false } };
    return {
      width: Math.max(200, this.#canvas.clientWidth),
      height: HEIGHT,
      padding: [8, 22, 0, 0],
      legend: { show: false },
      cursor: { x: false, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      scales: {
        x: { time: false, range: () => [-0.5, this.#days.length - 0.5] },
        y: { range: (_, __, highest) => [0, Math.max(highest * 1.08, 1)] },
      },
      axes: [
        {
          ...quiet,
          grid: { show: false },
          size: 30,
          splits: (plot) => this.#named(plot.bbox.width / devicePixelRatio),
          values: (_, splits) => splits.map((at) => shortDay(this.#days[at].day)),
        },
        { ...quiet, grid: { stroke: colour("--edge"), width: 1 }, size: 42, space: 48 },
      ],
      series: [
        {},
        {
          fill: colour("--accent"),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars({ size: [0.72, 36], radius: 0.18 }),
        },
      ],
      hooks: { setCursor: [(plot) => this.#onCursor(plot)] },
    };
  }

  /** Days that are named below: as many as fit, today always. */
  #named(width) {
    const last = this.#days.length - 1;
    const step = Math.max(1, Math.ceil((this.#days.length * LABEL_PX) / width));
    const named = [];
    for (let at = last; at >= 0; at -= step) named.unshift(at);
    return named;
  }

  #resize() {
    const width = this.#canvas.clientWidth;
    if (this.#plot === null || width === 0 || width === this.#plot.width) return;
    this.#plot.setSize({ width, height: HEIGHT });
    this.#point(this.#at);
  }

  #onCursor(plot) {
    const { left, idx } = plot.cursor;
    if (left >= 0) this.#point(idx ?? null);
    else if (document.activeElement !== this.element) this.#point(null);
  }

  #onKey(event) {
    const last = this.#days.length - 1;
    const at = this.#at ?? last;
    const to = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - WEEK, PageUp: at + WEEK, Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") this.#point(null);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#point(Math.min(last, Math.max(0, to)));
  }

  /** Shows a day's figures; null: of none. */
  #point(at) {
    this.#at = at !== null && at < this.#days.length ? at : null;
    const said = this.#days[this.#at ?? this.#days.length - 1];
    if (said !== undefined) {
      set(this.element, "aria-valuenow", this.#at ?? this.#days.length - 1);
      set(this.element, "aria-valuetext", `${longDay(said.day)}: ${figuresOf(said).join(", ")}`);
    }
    this.#tip.hidden = this.#mark.hidden = this.#at === null || this.#plot === null;
    if (this.#tip.hidden) return;
    const day = this.#days[this.#at];
    const [date, time, sessions] = this.#tip.children;
    write(date, longDay(day.day));
    const [used, often = ""] = figuresOf(day);
    write(time, used);
    write(sessions, often);
    const column = this.#plot.over.clientWidth / this.#days.length;
    this.#mark.style.left = `${this.#at * column}px`;
    this.#mark.style.width = `${column}px`;
    const half = this.#tip.offsetWidth / 2;
    const middle = (this.#at + 0.5) * column;
    const left = Math.min(Math.max(middle - half, -30), this.#plot.over.clientWidth - 2 * half);
    this.#tip.style.left = `${left}px`;
  }
}

function figuresOf({ seconds, sessions }) {
  return sessions === 0 ? ["Not used"] : [usage(seconds), counted(sessions, "session")];
}
