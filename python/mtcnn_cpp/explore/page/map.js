// One map: a canvas that can be zoomed down to single values, printed in their cells.

import { context, soon } from "./dom.js";
import { INFINITE, NOT_A_NUMBER, colour, painter } from "./colours.js";
import { brief, shortest } from "./numbers.js";

const PRINTED = 24, EXACT = 96; // width of a cell from which values are printed, and in full

/** How a tensor's view is laid out: rows and columns of cells, and the flat place of each. */
export function gridOf(view) {
  if (view.kind !== "vector") return { rows: view.height, columns: view.width, count: view.height * view.width };
  const columns = Math.min(view.width, view.width <= 32 ? 8 : view.width <= 256 ? 16 : Math.ceil(Math.sqrt(view.width)));
  return { rows: Math.ceil(view.width / Math.max(columns, 1)), columns, count: view.width };
}

/** A map on a canvas. `camera` {scale, x, y} is shared by those that are beside each other. */
export class MapView {
  constructor(canvas, camera, events) {
    this.canvas = canvas;
    this.camera = camera;
    this.events = events;
    this.redraw = soon(() => this.draw());
    this.pieces = []; // what is loaded: {values, top, left, rows, columns, step, image}
    this.grid = null;
    this.marked = null;
    this.hovered = null;
    this.listen();
    new ResizeObserver(() => this.events.resized()).observe(canvas);
  }

  /** Begin with another tensor or channel. */
  begin(grid, scale) {
    this.grid = grid;
    this.scale = scale;
    this.pieces = [];
    this.redraw();
  }

  /** Values of a part of the map, coarse ones first. */
  add(piece) {
    piece.image = this.paint(piece);
    this.pieces = [...this.pieces.filter((one) => one.step > piece.step || one.step === 1 && piece.step === 1).slice(-3), piece];
    this.redraw();
  }

  paint({ values, rows, columns }) {
    const canvas = new OffscreenCanvas(columns, rows), drawing = canvas.getContext("2d");
    const image = drawing.createImageData(columns, rows), paint = painter(this.scale);
    for (let index = 0; index < values.length; index++) {
      const [red, green, blue] = paint(values[index]);
      image.data[4 * index] = red;
      image.data[4 * index + 1] = green;
      image.data[4 * index + 2] = blue;
      image.data[4 * index + 3] = 255;
    }
    drawing.putImageData(image, 0, 0);
    return canvas;
  }

  /** The value of a cell; undefined where it is not loaded. */
  at(row, column) {
    for (const piece of [...this.pieces].reverse()) {
      const [y, x] = [row - piece.top, column - piece.left];
      if (piece.step !== 1 || y < 0 || x < 0 || y >= piece.rows || x >= piece.columns) continue;
      return piece.values[y * piece.columns + x];
    }
    return undefined;
  }

  draw() {
    const { canvas, camera, grid } = this;
    const box = canvas.getBoundingClientRect();
    const drawing = context(canvas, box.width, box.height);
    drawing.clearRect(0, 0, box.width, box.height);
    if (!grid) return;
    const { scale, x, y } = camera;
    drawing.imageSmoothingEnabled = false;
    for (const { image, top, left, rows, columns, step } of this.pieces) {
      drawing.drawImage(image, x + left * scale, y + top * scale, columns * step * scale, rows * step * scale);
    }
    if (scale >= 9) this.lines(drawing, box);
    if (scale >= PRINTED) this.print(drawing, box);
    if (this.hovered) this.outline(drawing, this.hovered, colour("--ink"), 1);
    if (this.marked) {
      this.outline(drawing, this.marked, colour("--paper"), 5);
      this.outline(drawing, this.marked, colour("--accent"), 2.5);
    }
  }

  /** First and last row and column that are seen. */
  seen(box) {
    const { scale, x, y } = this.camera, { rows, columns } = this.grid;
    const clip = (value, most) => Math.max(0, Math.min(most - 1, Math.floor(value)));
    return [clip(-y / scale, rows), clip((box.height - y) / scale, rows), clip(-x / scale, columns), clip((box.width - x) / scale, columns)];
  }

  lines(drawing, box) {
    const { scale, x, y } = this.camera, [top, bottom, left, right] = this.seen(box);
    drawing.strokeStyle = colour("--cell-line");
    drawing.lineWidth = 1;
    drawing.beginPath();
    for (let row = top; row <= bottom + 1; row++) {
      drawing.moveTo(x + left * scale, Math.round(y + row * scale) + 0.5);
      drawing.lineTo(x + (right + 1) * scale, Math.round(y + row * scale) + 0.5);
    }
    for (let column = left; column <= right + 1; column++) {
      drawing.moveTo(Math.round(x + column * scale) + 0.5, y + top * scale);
      drawing.lineTo(Math.round(x + column * scale) + 0.5, y + (bottom + 1) * scale);
    }
    drawing.stroke();
  }

  print(drawing, box) {
    const { scale, x, y } = this.camera, [top, bottom, left, right] = this.seen(box);
    const paint = painter(this.scale);
    const size = scale >= EXACT ? 12 : Math.max(9, Math.min(11, scale / 3.6));
    drawing.font = `${size}px ui-monospace, monospace`;
    drawing.textAlign = "center";
    drawing.textBaseline = "middle";
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const value = this.at(row, column);
        if (value === undefined || row * this.grid.columns + column >= this.grid.count) continue;
        const [red, green, blue] = paint(value);
        drawing.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
        const words = scale >= EXACT ? shortest(value) : brief(value, scale >= 52 ? 3 : 2);
        drawing.fillText(words, x + (column + 0.5) * scale, y + (row + 0.5) * scale, scale - 3);
      }
    }
  }

  outline(drawing, [row, column], style, thick) {
    const { scale, x, y } = this.camera;
    drawing.strokeStyle = style;
    drawing.lineWidth = thick;
    drawing.strokeRect(x + column * scale, y + row * scale, Math.max(scale, 3), Math.max(scale, 3));
  }

  /** The cell under the pointer; null beside the map. */
  cell(event) {
    const { scale, x, y } = this.camera;
    if (!this.grid) return null;
    const row = Math.floor((event.offsetY - y) / scale), column = Math.floor((event.offsetX - x) / scale);
    const inside = row >= 0 && column >= 0 && row < this.grid.rows && column < this.grid.columns;
    return inside && row * this.grid.columns + column < this.grid.count ? [row, column] : null;
  }

  listen() {
    let drag = null;
    const { canvas, events } = this;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, y: event.clientY, camera: { ...this.camera }, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return events.hover(this.cell(event));
      const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
      if (Math.abs(across) + Math.abs(down) > 4) drag.moved = true;
      if (drag.moved) events.camera({ x: drag.camera.x + across, y: drag.camera.y + down });
      return undefined;
    });
    canvas.addEventListener("pointerup", (event) => {
      const cell = drag && !drag.moved ? this.cell(event) : null;
      drag = null;
      if (cell) events.pick(cell);
    });
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointerleave", () => events.hover(null));
    canvas.addEventListener("dblclick", () => events.fit());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      events.zoom(event.offsetX, event.offsetY, Math.exp(-event.deltaY / 300));
    }, { passive: false });
  }
}

export const SPECIAL = [["NaN", NOT_A_NUMBER], ["infinite", INFINITE]];
