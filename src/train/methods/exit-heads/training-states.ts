import type { Corpus } from "./corpus.ts";
import { TEACHER_TOP } from "./options.ts";
import type { StateCache } from "./states/cache.ts";

/** A corpus with the model's states and its likeliest tokens. */
export interface TrainingStates {
  readonly corpus: Corpus;
  readonly cache: StateCache;
  /** The text's next token at each position. */
  readonly truth: Int32Array;
  /** The model's likeliest next tokens at each position, [positions, TEACHER_TOP]. */
  readonly teacher: Int32Array;
  /** FLOPs of forward passes outside steps, which are billed to the next stage. */
  readonly unbilled: { flops: number };
}

/** Combines a corpus with its complete cached states, which took `flops` FLOPs. */
export function trainingStates(corpus: Corpus, cache: StateCache, flops = 0): TrainingStates {
  const { blocks, block } = corpus;
  const truth = new Int32Array(blocks.length * block);
  const teacher = new Int32Array(blocks.length * block * TEACHER_TOP);
  for (const [row, ids] of blocks.entries()) {
    truth.set(ids.subarray(1), row * block);
    teacher.set(cache.teacher(row), row * block * TEACHER_TOP);
  }
  return { corpus, cache, truth, teacher, unbilled: { flops } };
}

/** The range of positions in a range of rows of text, start inclusive, end exclusive. */
export const positionsOf = ({ block }: Corpus, [from, to]: readonly [number, number]) =>
  [from * block, to * block] as const;

/** 1 where the whole model's choice is the text's next token. */
export const modelRight = ({ truth, teacher }: TrainingStates): Uint8Array =>
  Uint8Array.from(truth, (token, at) => (teacher[at * TEACHER_TOP] === token ? 1 : 0));
