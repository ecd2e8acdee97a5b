// A whiteboard: strokes as the contract's `drawing` has them (section 8), in fractions of the board, so that boards of any size
// show the same. The server passes them on and keeps none; who comes later asks somebody for the picture.

const WIDTH = 960; // of the canvas; what it is on the page, the style sheet says
const HEIGHT = 600;
const KEY_STEP = 0.02;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ERASER_WIDTH = 24;
const WIDEST = 60;

export class Board {
  #canvas;
  #pen;
  #onDrawing;
  #last = null; // where the pointer was, while it draws
  #cursor = { x: 0.5, y: 0.5 }; // where the keyboard is

  color = "#1f6f5c";

  /** onDrawing(fields): what the others have to be told. */
  constructor(canvas, onDrawing) {
    this.#canvas = canvas;
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    this.#pen = canvas.getContext("2d");
    this.#onDrawing = onDrawing;
    this.#wipe();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#at(event);
      this.#stroke(this.#last, this.#last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.#last === null) return;
      const now = this.#at(event);
      this.#stroke(this.#last, now);
      this.#last = now;
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { this.#last = null; });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Somebody's drawing; what we do not know is left out. */
  draw({ xy, tool, color, strokeWidth }) {
    if (tool === "clear") this.#wipe();
    else if ((tool === "pen" || tool === "crayon" || tool === "eraser") && xy) this.#line(xy, tool, color, strokeWidth);
  }

  clear() {
    this.#wipe();
    this.#onDrawing({ tool: "clear" });
  }

  /** A data URL of what is on it. */
  get image() {
    return this.#canvas.toDataURL("image/png");
  }

  /** null: an empty board. */
  show(image) {
    this.#wipe();
    if (image === null) return;
    const picture = new Image();
    picture.addEventListener("load", () => this.#pen.drawImage(picture, 0, 0, WIDTH, HEIGHT));
    picture.src = image;
  }

  #stroke(from, to) {
    const fields = { xy: { x0: from.x, y0: from.y, x1: to.x, y1: to.y }, tool: "pen", color: this.color, strokeWidth: 4 };
    this.draw(fields);
    this.#onDrawing(fields);
  }

  #line({ x, y, x0 = x, y0 = y, x1 = x0, y1 = y0 }, tool, color, strokeWidth) {
    const pen = this.#pen;
    pen.lineCap = "round";
    pen.strokeStyle = tool === "eraser" ? "#ffffff" : String(color);
    pen.lineWidth = tool === "eraser" ? ERASER_WIDTH : Math.min(Math.max(Number(strokeWidth) || 4, 1), WIDEST);
    pen.beginPath();
    pen.moveTo(x0 * WIDTH, y0 * HEIGHT);
    pen.lineTo(x1 * WIDTH, y1 * HEIGHT);
    pen.stroke();
  }

  #wipe() {
    this.#pen.fillStyle = "#ffffff";
    this.#pen.fillRect(0, 0, WIDTH, HEIGHT);
  }

  #at({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: round((clientX - box.left) / box.width), y: round((clientY - box.top) / box.height) };
  }

  #key(event) {
    const step = KEYS[event.key];
    if (step === undefined) return;
    event.preventDefault(); // it would scroll
    const from = this.#cursor;
    this.#cursor = { x: round(inside(from.x + step[0] * KEY_STEP)), y: round(inside(from.y + step[1] * KEY_STEP)) };
    this.#stroke(from, this.#cursor);
  }
}

const round = (value) => Math.round(value * 10_000) / 10_000;
const inside = (value) => Math.min(Math.max(value, 0), 1);
