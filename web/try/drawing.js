// Draws faces on a canvas.

/** @typedef {import("../mtcnn_cpp.js").Face} Face */

const BOX = "#19c25a", SHADOW = "rgb(0 0 0 / 75%)";

/**
 * Draw boxes, landmarks, numbers and scores.
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} drawing
 * @param {readonly Face[]} faces
 * @param {number} scale size of a pixel of the image on the canvas
 * @param {number} unit width of a thin line on the canvas
 */
export function drawFaces(drawing, faces, scale, unit) {
  for (const [index, face] of faces.entries()) {
    const [x, y, width, height] = [face.x, face.y, face.width, face.height].map((value) => value * scale);
    for (const [style, line] of /** @type {const} */ ([[SHADOW, 4 * unit], [BOX, 2 * unit]])) {
      drawing.strokeStyle = style;
      drawing.lineWidth = line;
      drawing.strokeRect(x, y, width, height);
    }
    for (const point of face.landmarks) {
      for (const [style, radius] of /** @type {const} */ ([[SHADOW, 3 * unit], [BOX, 2 * unit]])) {
        drawing.fillStyle = style;
        drawing.beginPath();
        drawing.arc(point.x * scale, point.y * scale, radius, 0, 7);
        drawing.fill();
      }
    }
    drawLabel(drawing, `${index}  ${face.score.toFixed(5)}`, x, y, unit);
  }
}

/**
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} drawing
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} unit
 */
function drawLabel(drawing, text, x, y, unit) {
  const size = 12 * unit;
  drawing.font = `600 ${size}px system-ui, sans-serif`;
  drawing.textBaseline = "bottom";
  const width = drawing.measureText(text).width + 6 * unit, left = Math.max(0, Math.min(x - unit, drawing.canvas.width - width));
  const bottom = Math.max(y - unit, 1.4 * size);
  drawing.fillStyle = BOX;
  drawing.fillRect(left, bottom - 1.4 * size, width, 1.4 * size);
  drawing.fillStyle = "#04210f";
  drawing.fillText(text, left + 3 * unit, bottom - 0.12 * size);
}
