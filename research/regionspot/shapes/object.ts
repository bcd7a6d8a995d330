import type { Raster } from "../../../src/lab/data/scenes/raster.ts";
import { inked, outlines } from "./outlines.ts";
import { colours, type Look } from "./words.ts";

/** The number of sample points along a pixel's side. */
const POINTS = 2;
/** The largest angle by which a shape leans, in radians. */
const LEAN = 0.25;
/** Periods of a texture along an object's side. */
const PERIODS = 4;
/** The colour between stripes and in dots. */
const LIGHT = [248, 248, 244];

/** Draws an object of a look, `side` pixels of the scene to each side; colour, lean and texture vary by chance. */
export function drawObject({ texture, colour: name, shape }: Look, side: number, random: () => number): Raster {
  const ink = colours[name].map((level) => Math.min(255, Math.max(0, level + 30 * (random() - 0.5))));
  const leaning = turning(LEAN * (2 * random() - 1));
  const grain = turning(Math.PI * random());
  const [startU, startV] = [random(), random()];
  const points = POINTS * side;
  const data = new Uint8Array(points * points * 4);
  for (let i = 0; i < points * points; i++) {
    const x = middle(i % points, points);
    const y = middle(Math.floor(i / points), points);
    if (!outlines[shape](leaning.x(x, y), leaning.y(x, y))) continue;
    const u = (PERIODS / 2) * grain.x(x, y) + startU;
    const v = (PERIODS / 2) * grain.y(x, y) + startV;
    const colour = inked[texture](u, v) ? ink : LIGHT;
    for (let channel = 0; channel < 3; channel++) data[i * 4 + channel] = colour[channel]!;
    data[i * 4 + 3] = 255;
  }
  return { width: points, height: points, data };
}

/** The centre of the i-th of `points` equal intervals from −1 to 1. */
const middle = (i: number, points: number): number => (2 * i + 1) / points - 1;

/** A point's places on axes that are turned by an angle. */
function turning(angle: number) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return { x: (x: number, y: number) => x * cos + y * sin, y: (x: number, y: number) => y * cos - x * sin };
}
