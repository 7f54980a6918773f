// Decodes an image file to the pixels that the Python package reads from it: rotated upright, without colour
// conversion, and without applying the transparency.

/**
 * Decode an image. Raises an Error whose message is for the user.
 * @param {Blob} file
 * @returns {Promise<ImageData>}
 */
export async function decode(file) {
  let bitmap;
  try {
    // the default of `imageOrientation` is the orientation that the file names
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch (error) {
    throw new Error(`This browser cannot decode the file as an image (${error instanceof Error ? error.message : error}).`);
  }
  try {
    const image = drawn(bitmap);
    return isOpaque(image.data) ? image : uploaded(bitmap) ?? image;
  } finally {
    bitmap.close();
  }
}

/** @param {ImageBitmap} bitmap */
function drawn(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), drawing = canvas.getContext("2d", { willReadFrequently: true });
  if (!drawing) throw new Error(`The image has ${bitmap.width} × ${bitmap.height} pixels, for which the browser has no memory.`);
  drawing.drawImage(bitmap, 0, 0);
  const image = drawing.getImageData(0, 0, bitmap.width, bitmap.height);
  canvas.width = canvas.height = 0; // frees its memory now
  return image;
}

/** @param {Uint8ClampedArray} rgba */
function isOpaque(rgba) {
  for (let index = 3; index < rgba.length; index += 4) if (rgba[index] !== 255) return false;
  return true;
}

/**
 * The exact pixels of a transparent image: a 2D canvas multiplies colours by alpha, a texture does not. Null without WebGL.
 * @param {ImageBitmap} bitmap
 */
function uploaded(bitmap) {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const image = new ImageData(width, height);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(image.data.buffer));
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return failed ? null : image;
}
