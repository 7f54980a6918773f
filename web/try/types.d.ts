// Parts of browsers that the types of Debian's TypeScript lack.

declare class OffscreenCanvas {
  constructor(width: number, height: number);
  width: number;
  height: number;
  getContext(kind: "2d", options?: { willReadFrequently?: boolean }): OffscreenCanvasRenderingContext2D | null;
  getContext(kind: "webgl2"): WebGL2RenderingContext | null;
  convertToBlob(options?: { type?: string }): Promise<Blob>;
}

type OffscreenCanvasRenderingContext2D = Omit<CanvasRenderingContext2D, "canvas"> & { canvas: OffscreenCanvas };

declare function importScripts(...addresses: string[]): void;
