import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { ImageInput } from "../../engine/images/pixels/input.ts";
import { escaped } from "../../util/html.ts";
import type { Recognized, RecognizedRegion } from "./recognize.ts";

const COLOURS = ["#d7263d", "#1b7f5c", "#2456c4", "#b8620b", "#7a2ea0", "#0b7d93"];

/** The minimum length of an annotated picture's shorter side; small pictures are enlarged to keep labels readable. */
const LEAST_SIDE = 480;

/** Draws each region's box, label and score on the picture; returns a PNG. */
export async function annotate({ image }: ImageInput, { width, height, regions }: Recognized): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const bytes = typeof image === "string" ? await readFile(image) : image;
  const scale = Math.max(1, Math.round(LEAST_SIDE / Math.min(width, height)));
  const [w, h] = [width * scale, height * scale];
  const drawn = regions.map((region, i) =>
    drawRegion(region, { colour: COLOURS[i % COLOURS.length]!, scale, width: w }),
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}">${drawn.join("")}</svg>`;
  return sharp(bytes)
    .autoOrient()
    .flatten({ background: "white" })
    .resize(w, h, { kernel: "nearest", fit: "fill" })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

/** Draws a region, with its label inside the picture, which is `width` pixels wide. */
function drawRegion(
  { box, label, score }: RecognizedRegion,
  { colour, scale, width }: { readonly colour: string; readonly scale: number; readonly width: number },
): string {
  const [left, top, right, bottom] = box.map((edge) => edge * scale) as [number, number, number, number];
  const text = `${label} ${score.toFixed(2)}`;
  const length = 8.2 * text.length + 6;
  const [x, y] = [Math.max(0, Math.min(left, width - length)), Math.max(top, 18)];
  return [
    `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="${colour}" stroke-width="3"/>`,
    `<rect x="${x}" y="${y - 18}" width="${length}" height="18" fill="${colour}"/>`,
    `<text x="${x + 3}" y="${y - 4}" font-family="sans-serif" font-size="14" fill="white">${escaped(text)}</text>`,
  ].join("");
}
