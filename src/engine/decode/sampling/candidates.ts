import { STEP } from "./softmax.ts";

interface Scratch {
  readonly identity: Int32Array;
  readonly adjusted: Float32Array;
  readonly ids: Int32Array;
  readonly logits: Float32Array;
}

/**
 * The tokens still in the draw, by ascending id: token `ids[i]` has `logits[i]`, for i < count. The depth of a token is
 * (max − logit) · scale, its weight `decay(depth)`.
 */
export interface Candidates {
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  readonly count: number;
  readonly max: number;
  /** Units of depth per logit: 1 / (temperature · STEP). */
  readonly scale: number;
  readonly scratch: Scratch;
}

// Sampling is synchronous, so all samplers share one set of buffers for each vocabulary size.
const scratches = new Map<number, Scratch>();

/** The shared buffers for `vocabulary` tokens; the next draw overwrites them. */
export function scratchFor(vocabulary: number): Scratch {
  let buffers = scratches.get(vocabulary);
  if (buffers === undefined) {
    buffers = {
      identity: Int32Array.from({ length: vocabulary }, (_, i) => i),
      adjusted: new Float32Array(vocabulary),
      ids: new Int32Array(vocabulary),
      logits: new Float32Array(vocabulary),
    };
    scratches.set(vocabulary, buffers);
  }
  return buffers;
}

/** All tokens of `logits` [vocabulary], whose maximum is `max`; `temperature` is above 0. */
export function everyToken(logits: Float32Array, max: number, temperature: number): Candidates {
  const scratch = scratchFor(logits.length);
  // Limited, because 0 · Infinity would be NaN.
  const scale = Math.min(1 / (temperature * STEP), Number.MAX_VALUE);
  return { ids: scratch.identity, logits, count: logits.length, max, scale, scratch };
}

/** The candidates with a logit above `logit`, and those with an equal logit and an id up to `id`. */
export function keep(
  { ids: from, logits: values, count, max, scale, scratch }: Candidates,
  logit: number,
  id: number,
): Candidates {
  const { ids, logits } = scratch;
  let retained = 0;
  // Skips four at once, because most are below `logit`. Works in place on the scratch: `retained` never overtakes `i`.
  for (let i = 0; i < count; i += 4) {
    const end = Math.min(i + 4, count);
    if (
      end - i === 4 &&
      values[i]! < logit &&
      values[i + 1]! < logit &&
      values[i + 2]! < logit &&
      values[i + 3]! < logit
    )
      continue;
    for (let j = i; j < end; j++) {
      const value = values[j]!;
      if (value < logit || (value === logit && from[j]! > id)) continue;
      ids[retained] = from[j]!;
      logits[retained++] = value;
    }
  }
  // Properties in the order of `everyToken`: objects of one shape make the loops over them a third faster.
  return { ids, logits, count: retained, max, scale, scratch };
}
