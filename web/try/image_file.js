// Checks an image file before it is decoded.

const MAX_PIXELS = 40e6; // the pixels take 4 bytes each, several times

/**
 * Raise an Error, whose message is for the user, if a file is not an image or is too large.
 * @param {File} file
 */
export async function checkImageFile(file) {
  const address = URL.createObjectURL(file), image = new Image();
  try {
    image.src = address;
    // the browser reads the size and decodes the pixels later
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error(`${file.name || "The file"} is not an image that this browser can read. Choose a PNG, JPEG, WebP, GIF or AVIF file.`));
    });
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width * height > MAX_PIXELS) {
      throw new Error(`${file.name} has ${width} × ${height} pixels, ${(width * height / 1e6).toFixed(0)} megapixels; this page takes images of up to ${MAX_PIXELS / 1e6} megapixels. Reduce the image, or use the installed package.`);
    }
  } finally {
    image.src = "";
    URL.revokeObjectURL(address);
  }
}
