import { seededRandom } from "../../../src/util/random.ts";
import type { DraftProgram } from "./draft-program.ts";
import { type DraftBatch, HIDDEN } from "./stack.ts";

/**
 * Replaces the model's stream with the draft's own at a share of a batch's positions, as in a draft's later steps
 * (EAGLE-3's training-time test, arXiv 2503.01840, without its gradient through the steps). `index` seeds their choice.
 */
export function withOwnStreams(batch: DraftBatch, draft: DraftProgram, share: number, index: number): DraftBatch {
  const random = seededRandom(index);
  const joined = batch.joined.slice();
  for (const [first, end] of piecesOf(batch)) {
    const { streams } = draft.run(batch.joined.subarray(2 * first * HIDDEN, 2 * end * HIDDEN), 0);
    for (let at = first + 1; at < end; at++)
      if (random() < share)
        joined.set(streams.subarray((at - 1 - first) * HIDDEN, (at - first) * HIDDEN), (2 * at + 1) * HIDDEN);
  }
  return { ...batch, joined };
}

/** The positions of each text's part of a row, `from` inclusive, `to` exclusive. */
function* piecesOf({ rows, tokens, documents }: DraftBatch): Generator<[number, number]> {
  for (let at = 0; at < rows * tokens; ) {
    const first = at;
    const end = (Math.floor(first / tokens) + 1) * tokens;
    while (at < end && documents![at] === documents![first]) at++;
    if (documents![first]! >= 0) yield [first, at];
  }
}
