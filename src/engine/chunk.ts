import { evalCost } from "../graph/index.ts";
import { pasts } from "../models/near.ts";
import type { DecoderPrograms } from "../models/programs.ts";

/** Most tokens of a prompt that run at once: wide enough for the matrix products, narrow enough for attention's scratch. */
export const PREFILL_CHUNK = 256;

/** Chunks are multiples of this, so that few lengths are ever bound. */
const STEP = 32;
const sizes = Array.from({ length: PREFILL_CHUNK / STEP }, (_, i) => PREFILL_CHUNK - i * STEP);

/** What a chunk may cost more than the first. */
const SLACK = 1.1;

/**
 * Tokens of the next chunk after `past`. Attention to what came before makes each token dearer, so there are fewer: a chunk costs at most what
 * the first one does, or little more, and answers that run beside it wait no longer.
 */
export function chunkAfter(
  { decoder, stackCost }: Pick<DecoderPrograms, "decoder" | "stackCost">,
  past: number,
): number {
  const cost = (tokens: number, past: number) =>
    evalCost(stackCost, { batch: 1, tokens, ...pasts(decoder.config, past) }).flops;
  const most = SLACK * cost(PREFILL_CHUNK, 0);
  return sizes.find((tokens) => cost(tokens, past) <= most) ?? STEP;
}
