import { seededRandom } from "../../../util/random.ts";
import { paintBackground, pale } from "./backgrounds.ts";
import { freePlaces, gridPlaces, type Place } from "./layout.ts";
import { type SceneOptions, type Tint, tints } from "./options.ts";
import { card, namesOf, type Pictures } from "./pictures.ts";
import { type Canvas, type Placement, paste, type Raster } from "./raster.ts";

/** The visible part of an object in a scene. */
export interface SceneObject {
  /** A drawing's name with any tint before it, or a digit. */
  readonly label: string;
  readonly digit: boolean;
  /** Left, top, right and bottom edges of the visible pixels, the last two exclusive. */
  readonly box: readonly [number, number, number, number];
  /** The cell of a 3 × 3 grid, counted row by row, in scenes with a grid. */
  readonly cell?: number;
  /** The number of visible pixels. */
  readonly area: number;
}

/** A composite picture, and its objects. */
export interface Scene {
  readonly size: number;
  /** Rows from the top, three bytes per pixel. */
  readonly rgb: Uint8Array;
  /** For each pixel the number of its object, from 1 on; 0 for the background. */
  readonly owner: Uint8Array;
  readonly objects: readonly SceneObject[];
}

/** The labels of a scene's objects, in their order. */
export const labelsOf = ({ objects }: Scene): string[] => objects.map(({ label }) => label);

/** An object before it is drawn. */
interface Sketch {
  readonly label: string;
  readonly digit: boolean;
  readonly place: Place;
  readonly picture: Raster;
}

/** The minimum visible share of each object; a scene below this share is regenerated. */
const SEEN = 0.5;

/** Draws a scene: pictures, options and seed determine the bytes on every machine. */
export function drawScene(pictures: Pictures, options: SceneOptions, seed: number): Scene {
  const random = seededRandom(seed);
  for (;;) {
    const scene = attempt(pictures, options, random);
    if (scene) return scene;
  }
}

function attempt(pictures: Pictures, options: SceneOptions, random: () => number): Scene | undefined {
  const { size } = options;
  const canvas: Canvas = { size, rgb: new Uint8Array(size * size * 3), owner: new Uint8Array(size * size) };
  paintBackground(canvas, random() < options.clutter, random);
  const planned = plan(pictures, options, random);
  const drawn = planned.map((object, i) => draw(canvas, object, i + 1, random));
  const objects = planned.map((object, i) => seen(canvas, object, i + 1));
  if (objects.some((object, i) => object.area < SEEN * drawn[i]!)) return undefined;
  return { ...canvas, objects };
}

function plan(pictures: Pictures, options: SceneOptions, random: () => number): Sketch[] {
  const { least, most, layout } = options;
  const count = least + Math.floor(random() * (Math.max(least, most) - least + 1));
  const written = random() < options.digits ? 1 + Math.floor(random() * Math.min(3, count)) : 0;
  const labels = names(namesOf(pictures), options, count - written, random);
  const places =
    layout === "grid"
      ? gridPlaces(options, labels.length, written, random)
      : parted(freePlaces(options, count, random), labels.length);
  return [
    ...labels.map((label, i) => drawing(pictures, label, places.drawings[i]!, random)),
    ...places.digits.map((place) => digit(pictures, place, random)),
  ];
}

const parted = (places: Place[], at: number) => ({ drawings: places.slice(0, at), digits: places.slice(at) });

/** Draws names for objects; about a third repeat an earlier object's name, for counting questions. */
function names(among: readonly string[], { tints }: SceneOptions, count: number, random: () => number): Look[] {
  const chosen: Look[] = [];
  for (let i = 0; i < count; i++)
    chosen.push(i > 0 && random() < 0.35 ? pick(chosen, random) : lookOf(among, tints, random));
  return chosen;
}

/** A drawing's name, and its tint, if any. */
interface Look {
  readonly name: string;
  readonly tint?: Tint;
}

const colours = Object.keys(tints) as Tint[];

function lookOf(among: readonly string[], tinted: number, random: () => number): Look {
  const name = pick(among, random);
  return random() < tinted ? { name, tint: pick(colours, random) } : { name };
}

const pick = <T>(from: readonly T[], random: () => number): T => from[Math.floor(random() * from.length)]!;

function drawing({ drawings: named }: Pictures, { name, tint }: Look, place: Place, random: () => number): Sketch {
  const label = tint ? `${tint} ${name}` : name;
  const picture = pick(named.get(name)!, random);
  return { label, digit: false, place, picture: tint ? tinted(picture, tints[tint]) : picture };
}

/** The picture in shades of one colour. */
function tinted(picture: Raster, colour: readonly number[]): Raster {
  const data = picture.data.map((value, i, all) => {
    if (i % 4 === 3) return value;
    const at = i - (i % 4);
    const light = (0.3 * all[at]! + 0.59 * all[at + 1]! + 0.11 * all[at + 2]!) / 255;
    const own = colour[i % 4]!;
    return light < 0.5 ? own * light * 2 : own + (255 - own) * (light - 0.5) * 1.2;
  });
  return { ...picture, data };
}

function digit({ digits }: Pictures, place: Place, random: () => number): Sketch {
  const value = Math.floor(random() * 10);
  const dark = [0, 1, 2].map(() => random() * 90);
  return { label: String(value), digit: true, place, picture: card(pick(digits[value]!, random), dark, pale(random)) };
}

/** Draws an object in its place, with its proportions; digits are never mirrored. Returns the pixels it covers. */
function draw(canvas: Canvas, { place, picture, digit }: Sketch, number: number, random: () => number): number {
  const scale = place.side / Math.max(picture.width, picture.height);
  const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)].map((n) =>
    Math.max(1, n),
  ) as [number, number];
  const at: Placement = {
    x: place.x + Math.floor((place.side - width) / 2),
    y: place.y + Math.floor((place.side - height) / 2),
    ...{ width, height, mirrored: !digit && random() < 0.5 },
  };
  paste(canvas, picture, at, number);
  return extentOf(canvas, number).area;
}

function seen(canvas: Canvas, { label, digit, place }: Sketch, number: number): SceneObject {
  return { label, digit, ...extentOf(canvas, number), ...(place.cell !== undefined && { cell: place.cell }) };
}

/** An object's visible pixels, and the box around them. */
export function extentOf({ size, owner }: Canvas, number: number): Pick<SceneObject, "box" | "area"> {
  let [left, top, right, bottom, area] = [size, size, 0, 0, 0];
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      if (owner[y * size + x] !== number) continue;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = y + 1;
      area++;
    }
  return { box: [left, top, right, bottom], area };
}
