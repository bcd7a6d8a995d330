import { addSpent, evalCost, graphCost, type Spent, sumCosts } from "../../graph/index.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { openDecoder } from "../../models/registry.ts";
import { hasWindow, pastSizes } from "../../models/state/window-start.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { chunkAfter } from "../decode/run/chunk.ts";
import { NOWHERE, type Shape } from "./kind.ts";

/** The costs of a decoder's requests, from its configuration alone. */
export async function decoderShape(checkpoint: Checkpoint): Promise<Shape> {
  const { decoder, weights } = await openDecoder(checkpoint, NOWHERE);
  const { config } = decoder;
  const costs = weights.imagined(() => traceDense(decoder)).map((graph) => graphCost(graph));
  const [stack, head] = [sumCosts(costs.slice(0, 2)), sumCosts(costs.slice(2))];
  const run = (tokens: number, past: number) => evalCost(stack, { batch: 1, tokens, ...pastSizes(config, past) });
  const chunk = (past: number) => chunkAfter({ decoder, stackCost: stack }, past);
  const sample = evalCost(head, { batch: 1, tokens: 1 });
  const even = !Array.from({ length: config.layers }, (_, l) => hasWindow(config, l)).includes(true);
  const step = (past: number) => sumOf([run(1, past), sample]);
  return {
    generated: ({ prompt, cached, completion, answers }) =>
      sumOf([
        prefill(run, cached, prompt, chunk),
        times(sample, answers),
        times(steps(step, prompt, Math.max(0, completion / answers - 1), even), answers),
      ]),
    read: (texts, tokens) => times(prefill(run, 0, tokens / texts, chunk), texts),
  };
}

/** The cost in the engine's chunks, because each chunk reads the weights again. */
function prefill(
  run: (tokens: number, past: number) => Spent,
  from: number,
  to: number,
  chunk: (past: number) => number,
): Spent {
  const parts: Spent[] = [];
  for (let past = from, tokens = 0; past < to; past += tokens) {
    tokens = Math.min(chunk(past), to - past);
    parts.push(run(tokens, past));
  }
  return sumOf(parts);
}

/**
 * The cost of `count` steps of one token after `past`. If `even`, a step's cost grows linearly with the past, so the
 * middle step represents all. With windows it does not, so each step is counted.
 */
function steps(step: (past: number) => Spent, past: number, count: number, even: boolean): Spent {
  if (even) return times(step(past + (count - 1) / 2), count);
  return sumOf(Array.from({ length: Math.round(count) }, (_, i) => step(past + i)));
}

const times = ({ flops, bytes }: Spent, n: number): Spent => ({ flops: flops * n, bytes: bytes * n });

function sumOf(parts: readonly Spent[]): Spent {
  const sum: Spent = { flops: 0, bytes: 0 };
  for (const part of parts) addSpent(sum, part);
  return sum;
}
