import type { TrainInput } from "../../src/index.ts";
import { stepsFromComputeFractions, USUAL } from "../../src/train/methods/sparse/schedule.ts";

/** Sides of a small Llama with two layers, a head of its own and heads of 16. */
export interface Size {
  readonly hidden: number;
  readonly heads: number;
  readonly inner: number;
}

/** A run of the experiment. */
export interface Planned {
  readonly part: "schedules" | "law";
  readonly name: string;
  readonly seed: number;
  readonly size: Size;
  /** The method's options, but for what all runs share. */
  readonly method: string;
  readonly steps: number;
  /** The run of the schedules that is the same run. */
  readonly twin?: string | undefined;
}

const SYMBOLS_AND_END = 65;

/** The prunable weights of a size. */
export const weightsOf = ({ hidden, heads, inner }: Size): number =>
  2 * (4 * hidden * heads * 16 + 3 * hidden * inner) + SYMBOLS_AND_END * hidden;

const MIDDLE: Size = { hidden: 32, heads: 2, inner: 96 };
/** Sizes as large as the middle one is on average in a run to a sparsity of 0.6: of its shape, and of its width. */
const AVERAGE: Readonly<Record<string, Size>> = {
  "dense of the average size": { hidden: 24, heads: 2, inner: 68 },
  "dense of the average size, as wide": { hidden: 32, heads: 2, inner: 38 },
};
const SIZES = {
  small: { hidden: 24, heads: 2, inner: 72 },
  middle: MIDDLE,
  large: { hidden: 48, heads: 3, inner: 144 },
};

/** Steps of the dense middle size that have the compute of every schedule's run. */
const DENSE_STEPS = 1000;
const SPARSITY = 0.6;

/** Dense, prune and recover. */
const SCHEDULES: Readonly<Record<string, readonly [number, number, number]>> = {
  "25/50/25": [0.25, 0.5, 0.25],
  "once at 50": [0.5, 0, 0.5],
  "0/25/75": [0, 0.25, 0.75],
  "75/25/0": [0.75, 0.25, 0],
  "once at the end": [1, 0, 0],
};

const stepsOf = (sparsity: number, denseSteps: number, [dense, prune, recover] = Object.values(USUAL)): number =>
  Math.round(
    stepsFromComputeFractions(sparsity, denseSteps, { dense: dense!, prune: prune!, recover: recover! }).total,
  );

function schedulesOf(seed: number): Planned[] {
  const shared = { part: "schedules" as const, seed, size: MIDDLE };
  const pruned = Object.entries(SCHEDULES).map(([name, shares]) => ({
    ...{ ...shared, name, steps: stepsOf(SPARSITY, DENSE_STEPS, [...shares]) },
    method: `sparsity=${SPARSITY},dense=${shares[0]},prune=${shares[1]},recover=${shares[2]}`,
  }));
  const usual = pruned[0]!;
  return [
    { ...shared, name: "dense", method: "sparsity=0", steps: DENSE_STEPS },
    ...Object.entries(AVERAGE).map(([name, size]) => ({
      ...{ ...shared, name, size, method: "sparsity=0" },
      steps: Math.round((DENSE_STEPS * weightsOf(MIDDLE)) / weightsOf(size)),
    })),
    ...pruned,
    { ...usual, name: "25/50/25, random scores", method: `${usual.method},score=random,seed=${seed}` },
  ];
}

/** Runs of the schedules, by their sparsity, that the law has, too. */
const TWINS: ReadonlyMap<number, string> = new Map([
  [0, "dense"],
  [SPARSITY, "25/50/25"],
]);

const law = (): Planned[] =>
  [1000, 500].flatMap((denseSteps) =>
    Object.entries(SIZES).flatMap(([named, size]) =>
      [0, 0.4, 0.6, 0.8].map((sparsity) => ({
        ...{ part: "law" as const, seed: 0, size },
        name: `${named}, ${sparsity}, ${denseSteps}`,
        method: `sparsity=${sparsity}`,
        steps: stepsOf(sparsity, denseSteps),
        twin: named === "middle" && denseSteps === DENSE_STEPS ? TWINS.get(sparsity) : undefined,
      })),
    ),
  );

/** Every run, in the order in which they are made. */
export const planned = (): Planned[] => [...[0, 1, 2].flatMap(schedulesOf), ...law()];

/** The options of a run over a text. */
export const optionsOf = ({ size, method, steps, seed }: Planned, text: string): TrainInput => ({
  method: `sparse:every=10,${method}`,
  architecture: {
    ...{ model_type: "llama", hidden_size: size.hidden, intermediate_size: size.inner, num_hidden_layers: 2 },
    ...{ num_attention_heads: size.heads, num_key_value_heads: size.heads, head_dim: 16 },
    ...{ max_position_embeddings: 32, rms_norm_eps: 1e-5, tie_word_embeddings: false },
  },
  ...{ data: text, validation: 0.02, tokens: 32, batch: 32, steps, seed, optimizer: { lr: 4e-3 } },
  schedule: { warmup: Math.round(steps / 100) },
  ...{ evaluateEvery: steps, evaluateBatches: 58, saveEvery: steps },
});
