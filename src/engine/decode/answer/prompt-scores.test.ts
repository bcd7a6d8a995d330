import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Model, type RunOptions, type Sampled } from "../../../index.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { Meter } from "../../bill/meter.ts";
import { schedulerOptions } from "../../schedule/scheduler.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import { Likelihoods, type TokenScore } from "../score/likelihood.ts";

const TINY = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
const some = (count: number, vocabulary: number) =>
  Array.from({ length: count }, (_, i) => 3 + ((i * 31 + (i % 7) * 11) % (vocabulary - 3)));

/** Scores from the lab's program, which runs 64 rows at once. */
async function reference({ language: { engine, recipes } }: Model, ids: readonly number[], save: string[] = []) {
  using lease = await recipes.use(parseRecipe(save));
  using likelihoods = await Likelihoods.create(engine, lease.plan);
  engine.forget();
  const meter = new Meter(engine.programs);
  const found = await likelihoods.ofText(ids, 1, meter);
  engine.forget();
  return { found, bill: meter.total() };
}

/** Checks whether the top token is marked as the likeliest, and whether each list is sorted. */
function compare(scored: readonly Sampled[] | undefined, ids: readonly number[], found: readonly TokenScore[]): void {
  expect(scored!.map(({ id }) => id)).toEqual(ids);
  const [first, ...rest] = scored!;
  expect(first).toEqual({ id: ids[0] });
  for (const [i, { logprob, top }] of rest.entries()) {
    expect(Math.abs(logprob! - found[i]!.nats)).toBeLessThan(1e-3);
    expect(Math.abs(top![0]!.logprob - found[i]!.best)).toBeLessThan(1e-3);
    expect(top).toHaveLength(5);
    expect(top!.map((t) => t.logprob)).toEqual(top!.map((t) => t.logprob).toSorted((a, b) => b - a));
  }
}

const only: RunOptions = { maxTokens: 0, promptLogprobs: 5 };

describe("a prompt's own tokens", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(TINY);
  });
  afterAll(() => model.dispose());
  const ids = () => some(100, model.language.decoder.config.vocabulary);

  test("have the log-probabilities and the bill that the lab finds, whatever is in the cache", async () => {
    const { found, bill } = await reference(model, ids());
    for (const _ of ["fresh", "cached"]) {
      const { prompt, text, tokens, finishReason, receipt } = await model.complete(ids(), only);
      compare(prompt, ids(), found);
      expect([text, tokens, finishReason]).toEqual(["", [], "length"]);
      expect(receipt.tokens).toEqual({ prompt: 100, cached: 0, completion: 0 });
      expect(receipt.flops.spent).toBe(bill.flops.spent);
    }
  });

  test("and come with the first piece of an answer, which is the one without them", async () => {
    const { found } = await reference(model, ids());
    const plain = await model.complete(ids(), { maxTokens: 4, logprobs: 1 });
    const chunks = [];
    for await (const chunk of model.generate(ids(), { ...only, maxTokens: 4, logprobs: 1 })) chunks.push(chunk);
    compare(chunks[0]!.prompt, ids(), found);
    expect(chunks.slice(1).some((chunk) => "prompt" in chunk)).toBe(false);
    const close = ({ id, logprob }: Sampled) => ({ id, logprob: expect.closeTo(logprob!, 4) });
    expect(chunks.flatMap((c) => c.tokens)).toMatchObject(plain.tokens.map(close));
  });

  test("of one token are itself alone, for which nothing runs, as for nothing at all", async () => {
    const one = await model.complete([5], only);
    expect([one.prompt, one.receipt.flops.spent]).toEqual([[{ id: 5 }], 0]);
    const none = await model.complete(ids(), { maxTokens: 0 });
    expect([none.prompt, none.receipt.flops.spent, none.receipt.tokens.prompt]).toEqual([undefined, 0, 100]);
  });

  test("are told as far as they had run where the ceiling ends the answer", async () => {
    const { prompt, finishReason, receipt } = await model.complete(ids(), { ...only, ceiling: { flops: 1 } });
    expect(prompt!.length).toBeGreaterThan(1);
    expect(prompt!.length).toBeLessThan(100);
    expect([finishReason, receipt.cut]).toEqual(["length", "flops"]);
  });

  test("are refused as they are where the model has no such token", async () => {
    const { vocabulary } = model.language.decoder.config;
    const sentence = `the prompt: the model's tokens are 0 to ${vocabulary - 1}, got ${vocabulary}`;
    await expect(model.complete([1, vocabulary])).rejects.toThrow(sentence);
    await expect(model.complete([1, -1])).rejects.toThrow(/^generate's prompt: expected a text, .* token ids/);
    await expect(model.complete([1, 1.5])).rejects.toThrow(/^generate's prompt: expected a text, .* token ids/);
  });
});

test("in a batch have the numbers and the bill that they have alone, beside answers and each other", async () => {
  using model = await load(TINY);
  const { vocabulary } = model.language.decoder.config;
  const prompts = [100, 64, 17, 2, 100].map((length) => some(length, vocabulary));
  const alone = [];
  for (const prompt of prompts) alone.push(await model.complete(prompt, only));
  model.schedule(schedulerOptions.parse({}));
  const beside = model.complete(some(50, vocabulary), { maxTokens: 20 });
  const together = await Promise.all(prompts.map((prompt) => model.complete(prompt, only)));
  await beside;
  for (const [i, { prompt, receipt }] of together.entries()) {
    expect(prompt).toEqual(alone[i]!.prompt);
    expect(receipt.flops).toEqual(alone[i]!.receipt.flops);
  }
});

test("a batch's whole answers also have them", async () => {
  using model = await load(TINY);
  const [answer, other] = await model.completeAll([
    { prompt: [3, 4, 5], ...only },
    { prompt: [3, 4, 5], maxTokens: 1 },
  ] as never);
  expect(answer!.prompt!.map(({ id }) => id)).toEqual([3, 4, 5]);
  expect("prompt" in other!).toBe(false);
});

describe("of several chunks", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("smollm2", { quant: "f32" });
  });
  afterAll(() => model.dispose());

  test.each([[[]], [["xattention:threshold=0.7,stride=16,minLengthForSparse=256"]]])(
    "have the lab's log-probabilities, of the same run, under %j",
    { timeout: 120_000 },
    async (save: string[]) => {
      const ids = some(PREFILL_CHUNK + 90, 49152);
      const { found, bill } = await reference(model, ids, save);
      const { prompt, receipt } = await model.complete(ids, { ...only, save });
      compare(prompt, ids, found);
      expect(receipt.flops).toMatchObject({ spent: bill.flops.spent, dense: bill.flops.dense });
      if (save.length > 0) expect(receipt.flops.spent).not.toBe(receipt.flops.dense);
    },
  );
});
