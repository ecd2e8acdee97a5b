// A rate as a line: since it is looked at, two minutes at most. Only for the eye: the figure stands beside it.

const POINTS = 60;
const SOME = 5; // fewer are no line yet
const [WIDTH, HEIGHT] = [120, 28];
const SVG = "http://www.w3.org/2000/svg";

export class Spark {
  #values = [];
  #line = document.createElementNS(SVG, "path");
  element = document.createElementNS(SVG, "svg");

  constructor() {
    this.element.setAttribute("class", "spark");
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
    this.element.append(this.#line);
  }

  add(value) {
    if (value === null) return;
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    const top = Math.max(...this.#values, 1);
    const step = WIDTH / (this.#values.length - 1);
    const points = this.#values.map((each, at) => {
      const x = at * step;
      return `${x.toFixed(1)} ${(HEIGHT - 2 - (each / top) * (HEIGHT - 4)).toFixed(1)}`;
    });
    this.#line.setAttribute("d", points.length < SOME ? "" : `M${points.join("L")}`);
  }
}
