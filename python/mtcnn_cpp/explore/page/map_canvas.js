// One map on a canvas, which can be zoomed until the values are readable in their cells.

import { prepareCanvas, oncePerFrame } from "./dom.js";
import { colour, colourMap } from "./colours.js";
import { formatShort, formatExact } from "./format.js";

const PRINT_WIDTH = 24, EXACT_WIDTH = 96; // smallest cell widths for rounded values, and for exact values

/** The grid of cells of a map: {rows, columns, count}. A vector is wrapped into several rows. */
export function gridOf(maps) {
  if (maps.kind !== "vector") return { rows: maps.height, columns: maps.width, count: maps.height * maps.width };
  const columns = Math.min(maps.width, maps.width <= 32 ? 8 : maps.width <= 256 ? 16 : Math.ceil(Math.sqrt(maps.width)));
  return { rows: Math.ceil(maps.width / Math.max(columns, 1)), columns, count: maps.width };
}

/** A map on a canvas. Maps side by side share one `camera` {scale, x, y}. */
export class MapView {
  constructor(canvas, camera, events) {
    this.canvas = canvas;
    this.camera = camera;
    this.events = events;
    this.redraw = oncePerFrame(() => this.draw());
    this.tiles = []; // the loaded parts: {values, top, left, rows, columns, step, image}
    this.grid = null;
    this.marked = null;
    this.hovered = null;
    this.listen();
    new ResizeObserver(() => this.events.resized()).observe(canvas);
  }

  /** Remove the values, to show a different tensor or channel. */
  reset(grid, scale) {
    this.grid = grid;
    this.scale = scale;
    this.tiles = [];
    this.redraw();
  }

  /** Add the values of a part of the map. Coarse parts are drawn first. */
  add(tile) {
    tile.image = this.paint(tile);
    this.tiles = [...this.tiles.filter((other) => other.step > tile.step || other.step === 1 && tile.step === 1).slice(-3), tile];
    this.redraw();
  }

  paint({ values, rows, columns }) {
    const canvas = new OffscreenCanvas(columns, rows), drawing = canvas.getContext("2d");
    const image = drawing.createImageData(columns, rows), toColour = colourMap(this.scale);
    for (let index = 0; index < values.length; index++) {
      const [red, green, blue] = toColour(values[index]);
      image.data[4 * index] = red;
      image.data[4 * index + 1] = green;
      image.data[4 * index + 2] = blue;
      image.data[4 * index + 3] = 255;
    }
    drawing.putImageData(image, 0, 0);
    return canvas;
  }

  /** The value of a cell; undefined if it is not loaded. */
  valueAt(row, column) {
    for (const tile of [...this.tiles].reverse()) {
      const [y, x] = [row - tile.top, column - tile.left];
      if (tile.step !== 1 || y < 0 || x < 0 || y >= tile.rows || x >= tile.columns) continue;
      return tile.values[y * tile.columns + x];
    }
    return undefined;
  }

  draw() {
    const { canvas, camera, grid } = this;
    const box = canvas.getBoundingClientRect();
    const drawing = prepareCanvas(canvas, box.width, box.height);
    drawing.clearRect(0, 0, box.width, box.height);
    if (!grid) return;
    const { scale, x, y } = camera;
    drawing.imageSmoothingEnabled = false;
    for (const { image, top, left, rows, columns, step } of this.tiles) {
      drawing.drawImage(image, x + left * scale, y + top * scale, columns * step * scale, rows * step * scale);
    }
    if (scale >= 9) this.drawLines(drawing, box);
    if (scale >= PRINT_WIDTH) this.printValues(drawing, box);
    if (this.hovered) this.outline(drawing, this.hovered, colour("--ink"), 1);
    if (this.marked) {
      this.outline(drawing, this.marked, colour("--paper"), 5);
      this.outline(drawing, this.marked, colour("--accent"), 2.5);
    }
  }

  /** The visible cells: first and last row, first and last column. */
  visible(box) {
    const { scale, x, y } = this.camera, { rows, columns } = this.grid;
    const clip = (value, size) => Math.max(0, Math.min(size - 1, Math.floor(value)));
    return [clip(-y / scale, rows), clip((box.height - y) / scale, rows), clip(-x / scale, columns), clip((box.width - x) / scale, columns)];
  }

  drawLines(drawing, box) {
    const { scale, x, y } = this.camera, [top, bottom, left, right] = this.visible(box);
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

  printValues(drawing, box) {
    const { scale, x, y } = this.camera, [top, bottom, left, right] = this.visible(box);
    const toColour = colourMap(this.scale);
    const size = scale >= EXACT_WIDTH ? 12 : Math.max(9, Math.min(11, scale / 3.6));
    drawing.font = `${size}px ui-monospace, monospace`;
    drawing.textAlign = "center";
    drawing.textBaseline = "middle";
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const value = this.valueAt(row, column);
        if (value === undefined || row * this.grid.columns + column >= this.grid.count) continue;
        const [red, green, blue] = toColour(value);
        drawing.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
        const text = scale >= EXACT_WIDTH ? formatExact(value) : formatShort(value, scale >= 52 ? 3 : 2);
        drawing.fillText(text, x + (column + 0.5) * scale, y + (row + 0.5) * scale, scale - 3);
      }
    }
  }

  outline(drawing, [row, column], style, lineWidth) {
    const { scale, x, y } = this.camera;
    drawing.strokeStyle = style;
    drawing.lineWidth = lineWidth;
    drawing.strokeRect(x + column * scale, y + row * scale, Math.max(scale, 3), Math.max(scale, 3));
  }

  /** The cell under the pointer; null outside the map. */
  cellAt(event) {
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
      if (!drag) return events.hover(this.cellAt(event));
      const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
      if (Math.abs(across) + Math.abs(down) > 4) drag.moved = true;
      if (drag.moved) events.camera({ x: drag.camera.x + across, y: drag.camera.y + down });
      return undefined;
    });
    canvas.addEventListener("pointerup", (event) => {
      const cell = drag && !drag.moved ? this.cellAt(event) : null;
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

