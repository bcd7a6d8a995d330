import { paintBackground } from "../../../src/lab/data/scenes/backgrounds.ts";
import { type Canvas, paste } from "../../../src/lab/data/scenes/raster.ts";
import { extentOf, type Scene, type SceneObject } from "../../../src/lab/data/scenes/scene.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { drawObject } from "./object.ts";
import { type Look, labelOf, looks } from "./words.ts";

/** Pixels of a scene's side. */
export const SHAPES_SIDE = 64;
/** Objects of a scene at most. */
export const MOST = 6;
/** The minimum visible share of each object; a scene below it is generated again. */
export const SEEN = 0.4;
/** The smallest side of an object, in pixels. */
const SMALLEST = 18;
/** The share of scenes with discs and bars behind the objects. */
const CLUTTERED = 0.5;

/** An object of a look. */
export interface ShapeObject extends SceneObject {
  /** Pixels that it would show if nothing were before it. */
  readonly whole: number;
}

export interface ShapeScene extends Scene {
  readonly objects: readonly ShapeObject[];
}

/** Chooses what a scene shows. */
export type Choose = (random: () => number) => readonly Look[];

/** 1 to 6 objects, no two alike. */
const anyLooks: Choose = (random) => {
  const count = 1 + Math.floor(random() * MOST);
  return shuffle([...looks], random).slice(0, count);
};

/** Draws a scene, later objects in front: the same seed gives the same bytes. */
export function drawShapeScene(seed: number, choose: Choose = anyLooks): ShapeScene {
  const random = seededRandom(seed);
  for (;;) {
    const scene = attempt(random, choose);
    if (scene) return scene;
  }
}

function attempt(random: () => number, choose: Choose): ShapeScene | undefined {
  const size = SHAPES_SIDE;
  const canvas: Canvas = { size, rgb: new Uint8Array(size * size * 3), owner: new Uint8Array(size * size) };
  paintBackground(canvas, random() < CLUTTERED, random);
  const chosen = choose(random);
  const wholes = chosen.map((look, i) => place(canvas, look, i + 1, chosen.length, random));
  const objects = chosen.map((look, i) => ({ ...seen(canvas, look, i + 1), whole: wholes[i]! }));
  return objects.some(({ area, whole }) => area < SEEN * whole) ? undefined : { ...canvas, objects };
}

/** Draws an object anywhere; the more objects, the smaller the largest. Returns the pixels it covers. */
function place(canvas: Canvas, look: Look, number: number, count: number, random: () => number): number {
  const { size } = canvas;
  const largest = size * Math.min(0.9, 1.1 / Math.sqrt(count));
  const side = Math.round(SMALLEST + random() * (largest - SMALLEST));
  const [x, y] = [random(), random()].map((at) => Math.floor(at * (size - side + 1))) as [number, number];
  paste(canvas, drawObject(look, side, random), { x, y, width: side, height: side, mirrored: random() < 0.5 }, number);
  return extentOf(canvas, number).area;
}

function seen(canvas: Canvas, look: Look, number: number): SceneObject {
  return { label: labelOf(look), digit: false, ...extentOf(canvas, number) };
}
