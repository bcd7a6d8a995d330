import { bootstrap, pairedDelta } from "../../../src/lab/metrics/bootstrap.ts";
import { logitsOf } from "../../../src/pipelines/recognize/recognize.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import type { Vectors } from "../arms.ts";
import { leastSquares, predict, rowsOf } from "../probe.ts";

/** Names with a vector each. */
export interface Names {
  readonly names: readonly string[];
  readonly values: Float32Array;
}

/** A share of regions, with a 95 % interval over scenes. */
export interface Share {
  readonly share: number;
  readonly ci95: readonly [number, number];
  /** The share under each seed. */
  readonly seeds: readonly number[];
}

/** The names whose regions count, and those that may be said. */
export interface Choice {
  readonly asked: readonly string[];
  readonly among: readonly string[];
}

/**
 * The share of the regions with one of the names `asked` whose vector is nearest to their own name's, among the names
 * `among`: the mean over seeds, each of which has a vector a region.
 */
export function rightShare(
  scenes: readonly RegionScene[],
  seeds: readonly Vectors[],
  names: Names,
  { asked, among }: Choice,
): Share {
  const { hits, counted } = counts(scenes, seeds, names, { asked, among });
  const { quality, ci95 } = bootstrap(counted, share, { seed: 0 });
  return { share: quality, ci95, seeds: hits.map((seed) => share(seed.map(({ right, regions }) => [right, regions]))) };
}

/** A difference of two such shares of the same regions, with a 95 % interval over scenes. */
export interface Difference {
  readonly mean: number;
  readonly ci95: readonly [number, number];
}

/** By how much more regions are named right by `a` than by `b`. */
export function difference(
  scenes: readonly RegionScene[],
  a: readonly Vectors[],
  b: readonly Vectors[],
  names: Names,
  of: Choice,
): Difference {
  const [one, other] = [a, b].map((seeds) => counts(scenes, seeds, names, of).counted) as [number[][], number[][]];
  return pairedDelta(one, other, share, { seed: 0 });
}

/** The share of right regions, of parts [right, regions]. */
function share(parts: readonly (readonly number[])[]): number {
  const [right, regions] = [0, 1].map((at) => parts.reduce((sum, part) => sum + part[at]!, 0)) as [number, number];
  return right / regions;
}

/** Right regions of each scene under each seed, and their mean over seeds. */
function counts(scenes: readonly RegionScene[], seeds: readonly Vectors[], names: Names, { asked, among }: Choice) {
  const [wanted, allowed] = [new Set(asked), new Set(among)];
  const hits = seeds.map((vectors) => hitsOf(scenes, vectors, names, wanted, allowed));
  const counted = scenes.map((_, scene) => {
    const of = hits.map((seed) => seed[scene]!);
    return [of.reduce((sum, { right }) => sum + right, 0) / seeds.length, of[0]!.regions];
  });
  return { hits, counted };
}

/** Right regions of each scene, and how many count. */
function hitsOf(
  scenes: readonly RegionScene[],
  vectors: Vectors,
  { names, values }: Names,
  wanted: ReadonlySet<string>,
  allowed: ReadonlySet<string>,
) {
  let at = 0;
  return scenes.map(({ labels }) => {
    const found = { right: 0, regions: 0 };
    for (const label of labels) {
      const vector = vectors[at++];
      if (!vector || !wanted.has(label)) continue;
      const logits = logitsOf(vector, values, 1);
      const best = names.reduce(
        (top, name, i) => (allowed.has(name) && logits[i]! > (logits[top] ?? -2) ? i : top),
        -1,
      );
      found.regions++;
      found.right += names[best] === label ? 1 : 0;
    }
    return found;
  });
}

/** Gives a region the vector of the nearest learned region's name. */
export function nearest(
  known: { readonly vectors: Float32Array; readonly labels: readonly string[] },
  asked: Float32Array,
  { names, values }: Names,
): Vectors {
  const width = known.vectors.length / known.labels.length;
  const row = (all: Float32Array, i: number, size: number) => all.subarray(i * size, (i + 1) * size);
  const lengths = known.labels.map((_, i) => Math.hypot(...row(known.vectors, i, width)));
  const text = values.length / names.length;
  return Array.from({ length: asked.length / width }, (_, region) => {
    const own = row(asked, region, width);
    let [best, most] = [-1, Number.NEGATIVE_INFINITY];
    for (const [i, length] of lengths.entries()) {
      const other = row(known.vectors, i, width);
      let sum = 0;
      for (let d = 0; d < width; d++) sum += own[d]! * other[d]!;
      if (sum / length > most) [best, most] = [i, sum / length];
    }
    return row(values, names.indexOf(known.labels[best]!), text);
  });
}

/** A linear map's vectors, from regions' features to their names' vectors, by ridge regression. */
export function mapped(
  known: { readonly vectors: Float32Array; readonly labels: readonly string[] },
  asked: Float32Array,
  { names, values }: Names,
): Vectors {
  const [width, text] = [known.vectors.length / known.labels.length, values.length / names.length];
  const wanted = known.labels.map((label) => [
    ...values.subarray(names.indexOf(label) * text, (names.indexOf(label) + 1) * text),
  ]);
  const weights = leastSquares(rowsOf(known.vectors, width), wanted);
  return rowsOf(asked, width).map((row) => Float32Array.from(predict(weights, row)));
}
