import { addSpent, type Spent } from "../../graph/index.ts";
import type { Cost } from "../../graph/op.ts";
import type { DecoderPrograms } from "../../models/programs/programs.ts";
import { UserError } from "../../util/errors.ts";
import type { Ceiling } from "../decode/answer/cut.ts";
import type { Continuations } from "../decode/score/likelihood.ts";
import { commonPrefix } from "../decode/state/cached.ts";
import { nextBatch, sharesOf } from "../encoders/text/encoder-batches.ts";
import { Meter } from "./meter.ts";

/** @throws UserError if the texts cost more FLOPs than allowed; called before anything runs */
export function checkCeiling({ flops: most }: Pick<Ceiling, "flops">, price: () => number): void {
  if (most === undefined) return;
  const flops = price();
  if (flops <= most) return;
  throw new UserError(
    `given their lengths, the texts cost ${flops.toExponential(3)} FLOPs, and the ceiling is ${most.toExponential(3)}`,
    2,
  );
}

/** The cost of running texts of these token lengths, each in a separate batch; `cost`: the program's cost. */
export function priceOfTexts(cost: Cost, lengths: readonly number[]): Spent {
  const sum = { flops: 0, bytes: 0 };
  for (let remaining = [...lengths].sort((a, b) => b - a); remaining.length > 0; ) {
    const { tokens, parts } = nextBatch([remaining]);
    const { from, count } = parts[0]!;
    for (const share of sharesOf(cost, remaining.slice(from, from + count), tokens)) addSpent(sum, share);
    remaining = remaining.toSpliced(from, count);
  }
  return sum;
}

/**
 * FLOPs of scoring the continuations by dense runs that start from an empty cache and share the prefixes of adjacent
 * contexts.
 */
export function priceOfRequests(programs: DecoderPrograms, requests: readonly Continuations[]): number {
  const meter = new Meter(programs);
  let before: readonly number[] = [];
  for (const { context, continuations } of requests) {
    const shared = Math.min(commonPrefix(before, context), context.length - 1);
    meter.insteadOfText(shared)(context.length - shared);
    meter.insteadOfHead(1);
    for (const { length } of continuations) scored(meter, context.length, length - 1);
    before = context;
  }
  return meter.total().flops.dense;
}

/** The context's last row predicts the first token of a continuation. */
function scored(meter: Meter, context: number, tokens: number): void {
  if (tokens === 0) return;
  meter.insteadOfText(context)(tokens);
  meter.insteadOfScores(context, tokens);
}
