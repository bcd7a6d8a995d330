import { expect, test } from "vitest";
import { evalCost, graphCost, sumCosts } from "../../graph/cost.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { preparedFolder, resolveModel } from "../../weights/sources/index.ts";
import { openDecoder } from "../registry.ts";
import {
  traceAfter,
  traceAttention,
  traceBefore,
  traceBetween,
  traceEmbedding,
  traceHead,
  traceLayers,
} from "./segments.ts";

const lengths = [
  { tokens: 1, past: 0 },
  { tokens: 1, past: 2047 },
  { tokens: 37, past: 0 },
  { tokens: 256, past: 512 },
  { tokens: 8192, past: 0 },
];

/** SmolLM2-135M: hidden 576, 9 query and 3 key-value heads of 64, feed-forward 1536, 30 layers, 49152 tokens. */
const projections = 576 * 576 + 2 * 576 * 192;
const afterAttention = 576 * 576 + 3 * 576 * 1536;

function expected(tokens: number, past: number): number {
  let attention = 0;
  for (let i = 0; i < tokens; i++) attention += 4 * 9 * 64 * (past + i + 1);
  return 2 * (30 * projections + 29 * afterAttention) * tokens + 30 * attention;
}

test("SmolLM2's FLOPs equal the closed form, whole and in pieces", async () => {
  const { path: file } = await resolveModel("smollm2");
  const { decoder, weights } = await openDecoder(openCheckpoint(file), preparedFolder(file));
  const whole = graphCost(traceLayers(decoder, 0, 30));
  const head = sumCosts([graphCost(traceAfter(decoder, 29)), graphCost(traceHead(decoder))]);
  traceEmbedding(decoder);
  const attention = graphCost(traceAttention(decoder, 0));
  const pieces = Array.from({ length: 30 }, (_, l) =>
    graphCost(l === 0 ? traceBefore(decoder, 0) : traceBetween(decoder, l)),
  );
  const segments = Array.from({ length: 30 }, (_, l) => graphCost(traceLayers(decoder, l, l + 1)));
  weights.commit();
  for (const { tokens, past } of lengths) {
    const flops = (cost: typeof whole) => evalCost(cost, { batch: 1, tokens, past }).flops;
    const sum = (costs: (typeof whole)[]) => costs.reduce((total, c) => total + flops(c), 0);
    for (const total of [flops(whole), sum(segments), sum(pieces) + 30 * flops(attention)])
      expect(Math.abs(total / expected(tokens, past) - 1)).toBeLessThan(1e-3);
    expect(flops(head)).toBe(2 * (afterAttention + 576 * 49152) * tokens);
  }
});
