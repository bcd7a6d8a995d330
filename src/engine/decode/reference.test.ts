import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../../index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { namesByteProducts } from "../../runtime/processor.ts";
import { densePlan } from "../../savings/plan.ts";
import { Meter } from "../bill/meter.ts";
import { compareWithAlone, texts } from "./run/batch.testing.ts";
import type { Engine } from "./run/engine.ts";
import { tokenLogits } from "./run/stepped.ts";
import type { Slot } from "./state/slot.ts";

interface Reference {
  prompts: { prompt: string; chat: boolean; tokens: number[]; next: number[] }[];
  nll: { tokens: number[]; mean: number };
}
/** SmolLM2 in transformers in float32: tools/reference/smollm2.py. */
const { prompts, nll } = JSON.parse(
  readFileSync(new URL("../../models/fixtures/smollm2.json", import.meta.url), "utf8"),
) as Reference;

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** The likeliest `count` tokens after each prompt, continuing past an end token; the prompts are decoded together. */
async function greedy(engine: Engine, prompts: readonly (readonly number[])[], count: number): Promise<number[][]> {
  const meter = new Meter(engine.programs);
  const slots: Slot[] = [];
  const answers: number[][] = [];
  for (const prompt of prompts) {
    const slot = engine.acquire(prompt);
    slots.push(slot);
    answers.push([likeliest(await engine.prefill(slot, prompt, meter))]);
  }
  for (let n = 1; n < count; n++) {
    const rows = await engine.stepAll(slots.map((slot, i) => ({ slot, meter, token: answers[i]!.at(-1)! })));
    for (const [i, row] of rows.entries()) answers[i]!.push(likeliest(tokenLogits(row)));
  }
  for (const slot of slots) engine.release(slot);
  return answers;
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

/** The negative log-likelihood of each token but the first, in nats. */
async function surprises(engine: Engine, tokens: readonly number[]): Promise<number[]> {
  const { vocabulary } = engine.programs.decoder.config;
  const slot = engine.acquireEmpty(tokens);
  using logits = new Buffer("f32", ROWS * vocabulary);
  const nats: number[] = [];
  for await (const run of engine.runs(slot, tokens, { plan: densePlan, meter: new Meter(engine.programs) }))
    for (let first = 0; first < run.tokens; first += ROWS) {
      const rows = Math.min(ROWS, run.tokens - first);
      const views = { ...(await run.rows(first, rows)), logits: logits.view([1, rows, vocabulary]) };
      await engine.programs.head.bind(views).run();
      for (let row = 0; row < rows && nats.length + 1 < tokens.length; row++)
        nats.push(
          surprise(new Float32Array(logits.memory, 4 * row * vocabulary, vocabulary), tokens[nats.length + 1]!),
        );
    }
  engine.release(slot);
  return nats;
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Float32 results for each token; they are compared with the reference below. */
let exact: readonly number[];

describe("float32, dequantised", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("smollm2", { quant: "f32" });
  });
  afterAll(() => model.dispose());

  test("48 greedy tokens after each of five prompts, decoded together", async () => {
    const expected = prompts.map(({ next }) => next);
    expect(expected.map((next) => next.length)).toEqual([48, 48, 48, 48, 48]);
    const inputs = prompts.map(({ tokens }) => tokens);
    expect(await greedy(model.language.engine, inputs, 48)).toEqual(expected);
  });

  test("its tokenizer and chat template give the reference's prompts", () => {
    for (const { prompt, chat, tokens } of prompts) expect(model.language.encode(prompt, !chat)).toEqual(tokens);
  });

  test("rows that join and leave at any step have the logits that they have alone", async () => {
    await compareWithAlone(model.language.engine, texts(4, 40_000, 40, 6));
  });

  test("negative log-likelihood of 1,024 tokens", async () => {
    exact = await surprises(model.language.engine, nll.tokens);
    expect(exact).toHaveLength(nll.tokens.length - 1);
    expect(Math.abs(mean(exact) - nll.mean)).toBeLessThan(1e-4);
  });
});

async function expectNear(engine: Engine): Promise<void> {
  const rounded = await surprises(engine, nll.tokens.slice(0, 384));
  const difference = Math.abs(mean(rounded) - mean(exact.slice(0, rounded.length)));
  expect(difference).toBeLessThan(0.02);
  expect(difference).toBeGreaterThan(0);
}

/** The code width assumed fastest for the processor. */
const processor = vi.hoisted(() => ({ processorBits: vi.fn<() => 4 | 8>() }));
vi.mock("../../runtime/processor.ts", async (original) => ({ ...(await original<object>()), ...processor }));

/** On x86 processors without VNNI, sums of bytes overflow. */
describe.skipIf(!namesByteProducts())("in rotated bytes", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("smollm2", { quant: "q8r" });
  });
  afterAll(() => model.dispose());

  test("negative log-likelihood of 384 tokens is near float32's, and not the same", async () => {
    await expectNear(model.language.engine);
  });

  test("rows that join and leave at any step have nearly the logits that they have alone", async () => {
    await compareWithAlone(model.language.engine, texts(4, 40_000, 40, 6));
  });
});

describe.each([4, 8] as const)("as the file has them, 4-bit, in codes of %i bits", (bits) => {
  let model: Model;
  beforeAll(async () => {
    processor.processorBits.mockReturnValue(bits);
    model = await load("smollm2");
  });
  afterAll(() => model.dispose());

  test("negative log-likelihood of 384 tokens is near float32's, and not the same", async () => {
    await expectNear(model.language.engine);
  });
});
