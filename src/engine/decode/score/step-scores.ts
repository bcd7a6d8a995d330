import type { Plan } from "../../../savings/plan.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Engine } from "../run/engine.ts";
import { type Outcome, type Step, tokenLogits } from "../run/stepped.ts";
import type { Slot } from "../state/slot.ts";
import type { TokenScore } from "./likelihood.ts";

/**
 * Log-probabilities of `tokens` except the first. Each token runs in its own step with the plan, like an answer's
 * tokens. Drafts are scored by the model's own logits. Yields after each token. A dense run reads all tokens at once.
 */
export async function* scoreSteps(
  engine: Engine,
  slot: Slot,
  { tokens, plan, meter }: { tokens: readonly number[]; plan: Plan; meter: Meter },
): AsyncGenerator<void, TokenScore[]> {
  const scores: TokenScore[] = [];
  const count = tokens.length - 1;
  const past = slot.tokens.length;
  const read = meter.insteadOfText(past);
  for (let i = 0; scores.length < count; i++) {
    // A step after the last token checks the tokens that are still waiting.
    const step: Step = { slot, token: i < count ? tokens[i] : undefined, meter, plan, forced: true };
    const [stepped] = await engine.stepAll([step]);
    if (i < count) read(1);
    for (const logits of certain(stepped!)) scores.push(likelihoodOf(logits, tokens[scores.length + 1]!));
    if (stepped?.kind === "checked") engine.keep(step, stepped.logits.length, stepped.logits.length);
    yield;
  }
  meter.insteadOfScores(past, count);
  return scores;
}

/** The model's own logits. */
const certain = (outcome: Outcome): readonly Float32Array[] =>
  outcome.kind === "checked" ? outcome.logits : outcome.kind === "draft" ? [] : [tokenLogits(outcome)];

function likelihoodOf(logits: Float32Array, token: number): TokenScore {
  let top = Number.NEGATIVE_INFINITY;
  for (const z of logits) if (z > top) top = z;
  let sum = 0;
  for (const z of logits) sum += Math.exp(z - top);
  return { nats: logits[token]! - top - Math.log(sum), best: -Math.log(sum) };
}
