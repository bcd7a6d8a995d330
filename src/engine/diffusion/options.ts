import { z } from "zod";
import { choice, flag, number, optionalInteger, optionalNumber } from "../../savings/option-schemas.ts";
import { UserError } from "../../util/errors.ts";

/** Options for filling in masked tokens, apart from the answer's length, temperature and seed. */
export const diffusionOptions = z.strictObject({
  steps: optionalInteger(1).describe("forward passes per answer (default: one per token)"),
  block: optionalInteger(1).describe("tokens per block; blocks are filled from left to right (default: one block)"),
  remasking: choice(["low_confidence", "random"])
    .default("low_confidence")
    .describe("which tokens a step keeps: the most probable, or random ones"),
  threshold: optionalNumber().describe(
    "keep tokens with at least this probability, in as many passes as needed; replaces `steps`",
  ),
  guidance: number(0).describe("classifier-free guidance: how far logits move away from a masked prompt's logits"),
  cache: flag(false).describe("cache keys and values of the tokens before a block: fewer FLOPs, different results"),
  ends: choice(["free", "last", "never"])
    .default("free")
    .describe("end tokens: fill them in like other tokens, only last, or never"),
});
export type DiffusionOptions = z.output<typeof diffusionOptions>;
export type DiffusionInput = z.input<typeof diffusionOptions>;

/** An answer's number of blocks, and of steps per block. */
export interface Schedule {
  readonly length: number;
  readonly block: number;
  readonly blocks: number;
  readonly stepsPerBlock: number;
}

/** The schedule of an answer of `length` tokens. @throws UserError if blocks or steps do not divide it */
export function scheduleOf(length: number, { steps = length, block = length, ...own }: DiffusionOptions): Schedule {
  if (block > length)
    throw new UserError(`block: ${block} tokens are more than the ${length} to fill in, expected at most ${length}`, 2);
  if (length % block !== 0)
    throw new UserError(`block: ${block} does not divide the ${length} tokens to fill in, expected a divisor`, 2);
  const blocks = length / block;
  if (own.threshold === undefined && steps % blocks !== 0)
    throw new UserError(`steps: ${steps} is not a multiple of the number of blocks, ${blocks}`, 2);
  if (own.cache && own.guidance > 0)
    throw new UserError("cache: guidance does not use a cache; expected guidance=0 or cache=false", 2);
  return { length, block, blocks, stepsPerBlock: Math.max(1, Math.floor(steps / blocks)) };
}

/**
 * The number of `masked` tokens that each of `steps` steps commits: as even as possible, larger parts first (LLaDA,
 * `get_num_transfer_tokens`).
 */
export function transferCounts(masked: number, steps: number): number[] {
  const [each, more] = [Math.floor(masked / steps), masked % steps];
  return Array.from({ length: steps }, (_, step) => each + Number(step < more));
}
