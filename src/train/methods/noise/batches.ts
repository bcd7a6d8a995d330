import { type NoiseConfig, sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { type Batch, NONE_DROPPED, type TrainingData } from "../../data/batch.ts";
import { epochOrder } from "../../data/order.ts";

/** The share of images trained without their class, for classifier-free guidance (Ho & Salimans 2022). */
const WITHOUT_CLASS = 0.1;

/** An image and its class index; undefined for a network without classes. */
export interface ClassedImage {
  readonly pixels: Float32Array;
  readonly row: number | undefined;
}

/** A network's noisy training images, concatenated. */
export interface NoisyImages {
  readonly x: Float32Array;
  /** The noise in the images. */
  readonly noise: Float32Array;
  readonly times: readonly number[];
  readonly classes: readonly number[];
}

export interface NoisyTerms {
  readonly size: number;
  readonly noise: NoiseConfig;
  /** The class index for "no class"; if undefined, every image keeps its class. */
  readonly unconditional: number | undefined;
  /** The seed for order and noise; if undefined, images keep their order, and the noise is fixed. */
  readonly seed: number | undefined;
}

/** Batches of noisy images, each determined by its index. Each epoch's first images fill up its last batch. */
export function noisyBatches(images: readonly ClassedImage[], terms: NoisyTerms): TrainingData {
  const { size, seed } = terms;
  const shares = sharesLeft(terms.noise);
  const batches = Math.ceil(images.length / size);
  const orderOf = epochOrder(images.length, seed);
  return {
    ...{ rows: size, tokens: 1, batches, samples: images.length, dropped: NONE_DROPPED },
    batch(index) {
      const [epoch, at] = [Math.floor(index / batches), index % batches];
      const order = orderOf(epoch);
      const drawn = Array.from({ length: size }, (_, i) => images[order[(at * size + i) % images.length]!]!);
      // A batch always has the same noise, which differs from other batches' noise.
      const random = seededRandom(seed === undefined ? at : (seed + 1) * 2 ** 26 + index);
      const samples = Math.min(size, images.length - at * size);
      return batchOf(noisy(drawn, shares, seed === undefined ? undefined : terms.unconditional, random), samples);
    },
  };
}

const batchOf = (drawings: NoisyImages, samples: number): Batch => {
  const rows = drawings.times.length;
  const none = new Int32Array(rows);
  return { rows, tokens: 1, ids: none, labels: none, labelled: rows, samples, drawings };
};

/** Adds noise to images at times drawn uniformly (Ho et al. 2020, algorithm 1). */
export function noisy(
  images: readonly ClassedImage[],
  shares: Float64Array,
  unconditional: number | undefined,
  random: () => number,
): NoisyImages {
  const normal = normals(random);
  const size = images[0]!.pixels.length;
  const [x, noise] = [new Float32Array(images.length * size), new Float32Array(images.length * size)];
  const times = images.map(() => Math.floor(random() * shares.length));
  const classes = images.flatMap(({ row }) => {
    const dropped = unconditional !== undefined && random() < WITHOUT_CLASS;
    return row === undefined ? [] : [dropped ? unconditional : row];
  });
  for (const [i, { pixels }] of images.entries()) {
    const share = shares[times[i]!]!;
    for (let at = 0; at < size; at++) {
      const drawn = normal();
      noise[i * size + at] = drawn;
      x[i * size + at] = Math.sqrt(share) * pixels[at]! + Math.sqrt(1 - share) * drawn;
    }
  }
  return { x, noise, times, classes };
}
