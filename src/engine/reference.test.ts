import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../index.ts";
import { Buffer } from "../runtime/buffer.ts";
import { densePlan } from "../savings/plan.ts";
import { Meter } from "./bill/meter.ts";
import { compareWithAlone, texts } from "./run/batch.testing.ts";
import type { Engine } from "./run/engine.ts";

interface Reference {
  prompts: { prompt: string; chat: boolean; tokens: number[]; next: number[] }[];
  nll: { tokens: number[]; mean: number };
}
/** SmolLM2 by transformers in float32: tools/reference/smollm2.py. */
const { prompts, nll } = JSON.parse(
  readFileSync(new URL("../models/fixtures/smollm2.json", import.meta.url), "utf8"),
) as Reference;

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** The likeliest tokens after a prompt, going on past an end token. */
async function greedy(engine: Engine, prompt: readonly number[], count: number): Promise<number[]> {
  const slot = engine.acquire(prompt);
  const meter = new Meter(engine.programs);
  try {
    const tokens = [likeliest(await engine.prefill(slot, prompt, meter))];
    while (tokens.length < count) tokens.push(likeliest(await engine.step(slot, tokens.at(-1)!, meter)));
    return tokens;
  } finally {
    engine.release(slot);
  }
}

/** −log softmax(logits)[token], in float64. */
function surprise(logits: Float32Array, token: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const v of logits) top = Math.max(top, v);
  let sum = 0;
  for (const v of logits) sum += Math.exp(v - top);
  return top + Math.log(sum) - logits[token]!;
}

const ROWS = 128;

/** Mean negative log-likelihood of each token but the first, in nats. */
async function meanNll(engine: Engine, tokens: readonly number[]): Promise<number> {
  const { vocabulary } = engine.programs.decoder.config;
  const slot = engine.acquireEmpty(tokens);
  using logits = new Buffer("f32", ROWS * vocabulary);
  let [total, at] = [0, 0];
  for await (const run of engine.runs(slot, tokens, { plan: densePlan, meter: new Meter(engine.programs) }))
    for (let first = 0; first < run.tokens; first += ROWS) {
      const rows = Math.min(ROWS, run.tokens - first);
      const views = { ...(await run.rows(first, rows)), logits: logits.view([1, rows, vocabulary]) };
      await engine.programs.head.bind(views).run();
      for (let row = 0; row < rows && at + 1 < tokens.length; row++, at++)
        total += surprise(new Float32Array(logits.memory, 4 * row * vocabulary, vocabulary), tokens[at + 1]!);
    }
  engine.release(slot);
  return total / (tokens.length - 1);
}

describe("float32, dequantised", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("smollm2", { quant: "f32" });
  });
  afterAll(() => model.dispose());

  test.each(prompts)("48 greedy tokens after: $prompt", async ({ tokens, next }) => {
    expect(next).toHaveLength(48);
    expect(await greedy(model.language.engine, tokens, next.length)).toEqual(next);
  });

  test("its tokenizer and chat template give the reference's prompts", () => {
    for (const { prompt, chat, tokens } of prompts) expect(model.language.encode(prompt, !chat)).toEqual(tokens);
  });

  test("rows that join and leave at any step have the logits that they have alone", async () => {
    await compareWithAlone(model.language.engine, texts(6, 40_000, 40, 8));
  });

  test("negative log-likelihood of 1,024 tokens", async () => {
    expect(Math.abs((await meanNll(model.language.engine, nll.tokens)) - nll.mean)).toBeLessThan(1e-4);
  });
});

/** The code width that the processor is assumed to run fastest. */
const processor = vi.hoisted(() => ({ processorBits: vi.fn<() => 4 | 8>() }));
vi.mock("../runtime/processor.ts", () => processor);

describe.each([4, 8] as const)("as the file has them, 4-bit, in codes of %i bits", (bits) => {
  let model: Model;
  beforeAll(async () => {
    processor.processorBits.mockReturnValue(bits);
    model = await load("smollm2");
  });
  afterAll(() => model.dispose());

  test("negative log-likelihood of 1,024 tokens is near the reference, and not the same", async () => {
    const difference = Math.abs((await meanNll(model.language.engine, nll.tokens)) - nll.mean);
    expect(difference).toBeLessThan(0.02);
    expect(difference).toBeGreaterThan(0);
  });
});
