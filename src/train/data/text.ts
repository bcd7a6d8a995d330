import { UserError } from "../../util/errors.ts";
import type { TrainingData } from "./batch.ts";
import { epochRandom, lastKept } from "./order.ts";
import { type Batching, inBatches } from "./rows.ts";

/**
 * Splits a text into windows of `tokens` tokens, in which each token predicts the next one. With a seed, each epoch
 * starts its first window at a different place and shuffles the windows.
 * @throws UserError if the text is shorter than one window
 */
export function textData(text: Int32Array, batching: Batching): TrainingData {
  const { tokens, seed } = batching;
  // The token after a window is its last label.
  if (text.length <= tokens)
    throw new UserError(
      `the text has ${text.length} tokens, expected at least ${tokens + 1}: one row and the token after it`,
    );
  // With a seed, leaves room to shift the first window by up to a window's length.
  const count = Math.max(1, Math.floor((text.length - (seed === undefined ? 1 : tokens)) / tokens));
  const slack = Math.min(tokens, text.length - count * tokens);
  const offset = lastKept((epoch) =>
    seed === undefined ? 0 : Math.floor(epochRandom(seed, epoch, "offset")() * slack),
  );
  return inBatches(
    {
      ...{ count, samples: count },
      row(index, epoch) {
        const from = offset(epoch) + index * tokens;
        const labels = text.subarray(from + 1, from + tokens + 1);
        return { ids: text.subarray(from, from + tokens), labels, samples: 1 };
      },
    },
    batching,
  );
}

/** Splits a text into training data and its last `share`, which is held out. */
export function splitText(text: Int32Array, share: number): readonly [training: Int32Array, heldOut: Int32Array] {
  const from = Math.floor(text.length * (1 - share));
  return [text.subarray(0, from), text.subarray(from)];
}
