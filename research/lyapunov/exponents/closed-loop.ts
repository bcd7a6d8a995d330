import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import type { Vector } from "./benettin.ts";
import { type Feedback, FeedbackStep } from "./feedback-step.ts";
import type { Recurrent } from "./open-states.ts";
import { norm, type StepPair, twoTrajectories } from "./two-trajectories.ts";

/** The distance of two trajectories, as a share of the state's norm: far above float32 rounding. */
const EPSILON = 1e-4;

/** Temperatures of sampled feedback: the lower, the closer to one token. */
const TEMPERATURES = [1, 0.5, 0.2] as const;

/** The greatest exponents of the whole model, in nats per token, by two trajectories. */
export interface LoopExponents {
  /** Both trajectories read the text. */
  readonly open: number;
  /** Each reads the mean embedding of its own prediction. */
  readonly mean: number;
  /** Each reads its own softened sample (Gumbel softmax); both use the same noise. */
  readonly sampled: readonly { readonly temperature: number; readonly exponent: number }[];
  readonly steps: number;
}

/**
 * The first half of the text is read before the loops begin, and the open loop reads the second. The first quarter of
 * the steps is skipped: meanwhile the difference turns to the slowest direction.
 */
export async function loopExponents(model: Recurrent, ids: readonly number[], seed: number): Promise<LoopExponents> {
  using step = await FeedbackStep.open(model);
  const none = new Float32Array(step.vocabulary);
  const plain: Feedback = { noise: none, temperature: 1 };
  const half = Math.floor(ids.length / 2);
  const start = await read(step, ids.slice(0, half), plain);
  const transient = Math.floor(half / 4);
  const steps = ids.length - half - transient;
  const normal = normals(seededRandom(seed));
  const direction = start.map(() => normal());
  const exponent = (next: StepPair) =>
    twoTrajectories(next, start, direction, { steps, transient, epsilon: EPSILON * norm(start) });
  const sampled = [];
  for (const temperature of TEMPERATURES) {
    const gumbel = gumbelNoise(step.vocabulary, seed);
    const measured = await exponent((a, b) => step.next(a, b, { noise: gumbel(), temperature }));
    sampled.push({ temperature, exponent: measured });
  }
  const open = await exponent((a, b, t) => {
    const id = ids[half + t]!;
    return step.next(step.withInput(a, id), step.withInput(b, id), plain);
  });
  return { open, mean: await exponent((a, b) => step.next(a, b, plain)), sampled, steps };
}

async function read(step: FeedbackStep, ids: readonly number[], feedback: Feedback): Promise<Vector> {
  let state = step.start(ids[0]!);
  for (const id of ids) [state] = await step.next(step.withInput(state, id), state, feedback);
  return state;
}

/** Draws from the standard Gumbel distribution: added to logits, they turn the maximum into a sample. */
function gumbelNoise(size: number, seed: number): () => Float32Array {
  const random = seededRandom(seed);
  return () => Float32Array.from({ length: size }, () => -Math.log(-Math.log(1 - random())));
}
