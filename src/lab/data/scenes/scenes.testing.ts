import { drawings } from "./drawings.ts";
import type { Pictures } from "./pictures.ts";
import type { Raster } from "./raster.ts";

/** A picture of one opaque colour. */
const plain = (red: number, green: number, blue: number): Raster => ({
  ...{ width: 16, height: 12 },
  data: Uint8Array.from({ length: 16 * 12 * 4 }, (_, i) => [red, green, blue, 255][i % 4]!),
});

/** Test pictures, without downloads: each of `count` names has its own colour, each digit is a bar of ink. */
export const plainPictures = (count: number): Pictures => ({
  drawings: new Map(drawings.slice(0, count).map(([name], i) => [name, [plain(40 + i, (37 * i) % 256, 255 - 3 * i)]])),
  digits: Array.from({ length: 10 }, (_, digit) => [
    Uint8Array.from({ length: 28 * 28 }, (_, at) => (at % 28 < 2 * digit + 2 ? 255 : 0)),
  ]),
});
