import type { Plan } from "../../savings/plan.ts";
import type { Meter } from "../bill/meter.ts";
import type { Engine } from "../run/engine.ts";
import type { Slot } from "../state/slot.ts";
import type { TokenScore } from "./likelihood.ts";

/** Log-probabilities of `tokens` but for the first, each run as an answer's token is: step by step, under the plan. Yields after each. */
export async function* scoreSteps(
  engine: Engine,
  slot: Slot,
  { tokens, plan, meter }: { tokens: readonly number[]; plan: Plan; meter: Meter },
): AsyncGenerator<void, TokenScore[]> {
  const found: TokenScore[] = [];
  for (let i = 0; i + 1 < tokens.length; i++) {
    found.push(likelihoodOf(await engine.step(slot, tokens[i]!, meter, plan), tokens[i + 1]!));
    yield;
  }
  return found;
}

function likelihoodOf(logits: Float32Array, token: number): TokenScore {
  let top = Number.NEGATIVE_INFINITY;
  for (const z of logits) if (z > top) top = z;
  let sum = 0;
  for (const z of logits) sum += Math.exp(z - top);
  return { nats: logits[token]! - top - Math.log(sum), best: -Math.log(sum) };
}
