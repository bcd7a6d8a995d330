import { dropout, type Graph, plus, scale, type Tensor, uniform } from "../../graph/index.ts";
import type { DType } from "../../graph/tensor.ts";
import { seededRandom } from "../../util/random.ts";
import type { Batch } from "../data/batch.ts";
import type { TrainOptions } from "../options.ts";
import type { BatchInput, Shape } from "./stack.ts";

/** A training run's noise: dropout before LoRA layers, and noise added to embeddings (NEFTune: Jain et al. 2023). */
export interface Noise {
  readonly seed: number;
  /** The share of a LoRA layer's inputs that dropout retains. */
  readonly keep: number;
  /** NEFTune's alpha; 0 for no noise in embeddings. */
  readonly alpha: number;
}

/** The noise that the options specify; undefined if they specify none. */
export function noiseOf({ seed, lora, neftuneNoiseAlpha: alpha = 0 }: TrainOptions): Noise | undefined {
  const keep = 1 - (lora?.lora_dropout ?? 0);
  return keep < 1 || alpha > 0 ? { seed, keep, alpha } : undefined;
}

const ROWS = "noise";
const KEEP = "noise:keep";

/**
 * A batch's random integers, which depend only on the seed and the batch's number; without a number, there is no noise.
 */
export function noiseInputs(
  { seed, keep }: Noise,
  { rows, tokens }: Batch,
  number: number | undefined,
): Record<string, BatchInput> {
  const random = number === undefined ? () => 0 : seededRandom(seed + 2 ** 32 * (number % 2 ** 20));
  const values = Int32Array.from({ length: rows * tokens }, () => Math.floor(random() * 2 ** 32) | 0);
  return {
    [ROWS]: { dtype: "i32", shape: [rows, tokens], values },
    [KEEP]: { dtype: "f32", shape: [], values: Float32Array.of(number === undefined ? 1 : keep) },
  };
}

/** Random odd integers below 2²⁴, which float32 holds exactly. */
export const oddIntegers = (count: number, random: () => number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, () => 2 * Math.floor(random() * 2 ** 23) + 1);

const inputOf = (g: Graph, name: string, dtype: DType, shape: Tensor["shape"]): Tensor =>
  g.inputs.find((input) => input.name === name)?.tensor ?? g.input(name, dtype, shape);

/** Applies dropout to x [rows, tokens, n]; `columns` holds odd integers [n]. */
export const dropped = (g: Graph, x: Tensor, columns: Tensor): Tensor =>
  dropout(x, inputOf(g, ROWS, "i32", x.shape.slice(0, -1)), columns, inputOf(g, KEEP, "f32", []));

/** Adds NEFTune's noise to embeddings [rows, tokens, hidden]. */
export function noisyEmbeddings(g: Graph, embedded: Tensor, { seed, alpha }: Noise, { tokens }: Shape): Tensor {
  const hidden = Number(embedded.shape.at(-1));
  const bytes = new Uint8Array(oddIntegers(hidden, seededRandom(seed)).buffer);
  const columns = g.constant("noise columns", { dtype: "f32", shape: [hidden] }, { kind: "memory", bytes });
  const noise = uniform(inputOf(g, ROWS, "i32", embedded.shape.slice(0, -1)), columns);
  return plus(embedded, scale(noise, alpha / Math.sqrt(tokens * hidden)));
}
