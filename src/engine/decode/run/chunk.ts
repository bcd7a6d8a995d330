import { evalCost } from "../../../graph/index.ts";
import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import { pastSizes } from "../../../models/state/window-start.ts";
import { looksAhead, undividedEnd, type WholeImage } from "./whole-images.ts";

/**
 * The maximum number of a prompt's tokens that run at once: enough for efficient matrix products, few enough for
 * attention's scratch memory.
 */
export const PREFILL_CHUNK = 256;

/** Chunk lengths are multiples of this, to limit the number of different lengths that are bound. */
const STEP = 32;
const sizes = Array.from({ length: PREFILL_CHUNK / STEP }, (_, i) => PREFILL_CHUNK - i * STEP);

/**
 * Attention is in float32 and takes 0.9 to 1.4 times as long per FLOP as products with 8-bit weights, depending on the
 * processor.
 */
const ATTENTION = 1.4;

/**
 * The number of tokens in the next chunk after `past`. Attention to the past makes tokens more expensive, so later
 * chunks are shorter: concurrent answers never wait longer than for the first chunk.
 */
export function chunkAfter(
  { decoder, stackCost }: Pick<DecoderPrograms, "decoder" | "stackCost">,
  past: number,
): number {
  const flops = (tokens: number, past: number) =>
    evalCost(stackCost, { batch: 1, tokens, ...pastSizes(decoder.config, past) }).flops;
  // Equals the cost of the first chunk if attention to the past adds nothing.
  const cost = (tokens: number) => flops(tokens, 0) + ATTENTION * (flops(tokens, past) - flops(tokens, 0));
  const most = flops(PREFILL_CHUNK, 0);
  return sizes.find((tokens) => cost(tokens) <= most) ?? STEP;
}

/** A chunk of a prompt in a dense run. */
interface DenseChunk {
  readonly past: number;
  readonly tokens: number;
  /** True if the chunk's image tokens attend to later tokens. */
  readonly ahead: boolean;
}

/** The chunk after `past`, if enough tokens follow; it does not end inside any of `images`. */
export function denseChunk(
  programs: Pick<DecoderPrograms, "decoder" | "stackCost">,
  past: number,
  images: readonly WholeImage[] = [],
): DenseChunk {
  const end = undividedEnd(images, past, past + chunkAfter(programs, past));
  return { past, tokens: end - past, ahead: looksAhead(images, past, end) };
}

/** The chunks of a dense run over `tokens` tokens after `past`. */
export function* denseChunks(
  programs: Pick<DecoderPrograms, "decoder" | "stackCost">,
  past: number,
  tokens: number,
  images: readonly WholeImage[] = [],
): Generator<DenseChunk> {
  const end = past + tokens;
  for (let at = past; at < end; ) {
    const chunk = denseChunk(programs, at, images);
    yield { ...chunk, tokens: Math.min(chunk.tokens, end - at) };
    at += chunk.tokens;
  }
}
