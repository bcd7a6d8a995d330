import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Chunk, load, type Model, type Receipt, type RunOptions, UserError } from "../../../index.ts";
import { Meter } from "../../bill/meter.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import { Slot } from "../state/slot.ts";

let model: Model;
beforeAll(async () => {
  model = await load("smollm2");
});
afterAll(() => model.dispose());

const QUESTION = "Name the capital of Japan.";
const STORY = "Tell me about the sea.";

async function chunksOf(m: Model, ...args: Parameters<Model["generate"]>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of m.generate(...args)) chunks.push(chunk);
  return chunks;
}
const textOf = (chunks: readonly Chunk[]) => chunks.map((c) => c.text).join("");

describe("an answer", () => {
  test("streams: chunks make up the whole text, only the last has a receipt", async () => {
    // Fills the cache for both calls, because a kernel for one token may round differently from one for many.
    await model.complete(QUESTION, { maxTokens: 1 });
    const whole = await model.complete(QUESTION);
    const chunks = await chunksOf(model, QUESTION);
    expect(whole.text).toMatch(/Tokyo/);
    expect(textOf(chunks)).toBe(whole.text);
    expect(chunks.flatMap((c) => c.tokens)).toEqual(whole.tokens);
    expect(chunks.filter((c) => c.receipt ?? c.finishReason)).toEqual([chunks.at(-1)]);
    expect(whole.finishReason).toBe("stop");
  });

  test.each(["", []])("nothing to answer, %j, is refused", async (prompt) => {
    await expect(model.complete(prompt)).rejects.toThrow("the prompt is empty");
  });

  test("ends at maxTokens", async () => {
    for (const maxTokens of [1, 7]) {
      const { tokens, finishReason, receipt, text } = await model.complete(STORY, { maxTokens });
      expect(tokens).toHaveLength(maxTokens);
      expect(receipt.tokens.completion).toBe(maxTokens);
      expect(finishReason).toBe("length");
      expect(text).not.toBe("");
    }
  });

  test("that a format holds is never taken for a loop", async () => {
    const [a] = model.language.tokenizer.encode("a");
    const format = { type: "string", pattern: "^a*$" };
    const { finishReason, tokens } = await model.complete(STORY, { maxTokens: 100, format, logitBias: { [a!]: 100 } });
    expect(tokens.filter(({ id }) => id === a)).toHaveLength(99);
    expect(finishReason).toBe("length");
  });

  test("ends at a stop string, even one that crosses tokens, and does not show it", async () => {
    const whole = await model.complete(STORY, { maxTokens: 16 });
    const stop = whole.text.slice(20, 41);
    const { tokenizer } = model.language;
    expect(tokenizer.encode(stop).length).toBeGreaterThan(2);
    const cut = await model.complete(STORY, { maxTokens: 16, stop: ["never said", stop] });
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(cut.finishReason).toBe("stop");
    expect(cut.tokens.length).toBeLessThan(16);
  });

  test("never streams the beginning of a stop string", async () => {
    const { text } = await model.complete(STORY, { maxTokens: 16 });
    const stop = text.slice(20, 41);
    let shown = "";
    for await (const chunk of model.generate(STORY, { maxTokens: 16, stop: [stop] })) {
      shown += chunk.text;
      expect(text.startsWith(shown)).toBe(true);
      expect(shown.length).toBeLessThanOrEqual(text.indexOf(stop));
    }
  });

  test("of one seed is one text, of other seeds others", async () => {
    const texts = [];
    for (const seed of [1, 1, 2, 3]) {
      const { text } = await model.complete(STORY, { maxTokens: 10, temperature: 1, seed });
      texts.push(text);
    }
    expect(texts[1]).toBe(texts[0]);
    expect(new Set(texts).size).toBe(3);
  });

  test("by the model's own settings is drawn as if they were given, and only if that is asked for", async () => {
    const { settings } = model.sampling!;
    // Fills the cache for all calls.
    await model.complete(STORY, { maxTokens: 1 });
    const plain = await model.complete(STORY, { maxTokens: 16 });
    const reference = await model.complete(STORY, { maxTokens: 16, ...settings });
    const own = await model.complete(STORY, { maxTokens: 16, temperature: 1, modelSampling: true });
    expect(own.tokens).toEqual(reference.tokens);
    expect(own.tokens).not.toEqual(plain.tokens);
  });

  test("tells log-probabilities of the chosen token and the n likeliest", async () => {
    const { tokens } = await model.complete(STORY, { maxTokens: 5, logprobs: 4 });
    for (const { id, logprob, top } of tokens) {
      expect(top).toHaveLength(4);
      // Greedy: the chosen token is the likeliest.
      expect(top![0]).toEqual({ id, logprob });
      expect(top!.map((t) => t.logprob)).toEqual(top!.map((t) => t.logprob).toSorted((a, b) => b - a));
      expect(top!.reduce((sum, t) => sum + Math.exp(t.logprob), 0)).toBeLessThanOrEqual(1);
    }
    const plain = await model.complete(STORY, { maxTokens: 5 });
    expect(plain.tokens.map((t) => t.id)).toEqual(tokens.map((t) => t.id));
    expect(plain.tokens[0]!.logprob).toBeUndefined();
  });
});

describe("AbortSignal", () => {
  let answer: string;
  beforeAll(async () => {
    answer = (await model.complete(QUESTION)).text;
  });

  test("before the first token: nothing is generated, the next request works", async () => {
    const signal = AbortSignal.abort();
    await expect(model.complete(STORY, { signal })).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect((await model.complete(QUESTION)).text).toBe(answer);
  });

  test("while it answers: no more than one step, and the slot is free again", async () => {
    const { engine } = model.language;
    const held = [engine.acquire([1]), engine.acquire([2]), engine.acquire([3])];
    for (let round = 0; round < 3; round++) {
      const stop = new AbortController();
      let after = 0;
      const run = async () => {
        for await (const { tokens } of model.generate(STORY, { maxTokens: 200, signal: stop.signal })) {
          if (stop.signal.aborted) after += tokens.length;
          stop.abort();
        }
      };
      await expect(run()).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
      expect(after).toBe(0);
    }
    for (const slot of held) engine.release(slot);
    expect((await model.complete(QUESTION)).text).toBe(answer);
  });

  test("what a stopped run spent is billed once, to the token", async () => {
    const bills: Receipt[] = [];
    const onStopped = (receipt: Receipt) => void bills.push(receipt);
    const whole = await model.complete(STORY, { maxTokens: 5, onStopped });
    expect(bills).toEqual([]);
    const stop = new AbortController();
    const stopped = async () => {
      let tokens = 0;
      for await (const chunk of model.generate(STORY, { maxTokens: 200, signal: stop.signal, onStopped })) {
        tokens += chunk.tokens.length;
        if (tokens === 5) stop.abort();
      }
    };
    await expect(stopped()).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    for await (const _ of model.generate(STORY, { maxTokens: 200, onStopped })) break;
    const [aborted, left] = bills;
    expect(bills).toHaveLength(2);
    // Both found the whole prompt except its last token in the cache.
    expect(aborted!.tokens).toEqual({ ...whole.receipt.tokens, cached: aborted!.tokens.prompt - 1 });
    expect(left!.tokens.completion).toBe(1);
    const again = await model.complete(STORY, { maxTokens: 5 });
    expect(aborted!.flops).toEqual(again.receipt.flops);
    const { total, ...times } = aborted!.ms;
    expect(total).toBeCloseTo(
      Object.values(times).reduce((a, b) => a + b),
      6,
    );
  });

  test("stopped in its prompt, a run is billed the chunks that ran", async () => {
    const bills: Receipt[] = [];
    const stop = new AbortController();
    const ids = Array.from({ length: 3 * PREFILL_CHUNK }, (_, i) => 100 + i);
    const { engine } = model.language;
    const pass = vi.spyOn(Slot.prototype, "pass").mockImplementationOnce(function (this: Slot, ...args) {
      stop.abort();
      pass.mockRestore();
      return this.pass(...args);
    });
    const run = model.complete(model.language.tokenizer.decode(ids), {
      ...{ raw: true, signal: stop.signal },
      onStopped: (receipt) => void bills.push(receipt),
    });
    await expect(run).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    const meter = new Meter(engine.programs);
    meter.layers(PREFILL_CHUNK, 0);
    expect(bills.map(({ tokens, flops }) => ({ tokens, dense: flops.dense }))).toEqual([
      { tokens: { prompt: PREFILL_CHUNK, cached: 0, completion: 0 }, dense: meter.total().flops.dense },
    ]);
  });

  test("a run that is stopped before anything ran costs nothing, and has no receipt", async () => {
    const onStopped = vi.fn();
    await expect(model.complete(STORY, { signal: AbortSignal.abort(), onStopped })).rejects.toThrow("aborted");
    expect(onStopped).not.toHaveBeenCalled();
  });

  test("a reader that leaves frees the slot", async () => {
    for (let i = 0; i < 5; i++) for await (const _ of model.generate(STORY, { maxTokens: 50 })) break;
    expect((await model.complete(STORY, { maxTokens: 2 })).receipt.tokens.cached).toBeGreaterThan(0);
  });
});

test("two answers at once equal those given alone", async () => {
  const prompts = [QUESTION, STORY];
  const alone = [];
  for (const p of prompts) alone.push((await model.complete(p, { maxTokens: 12 })).text);
  const together = await Promise.all(prompts.map((p) => model.complete(p, { maxTokens: 12 })));
  expect(together.map((c) => c.text)).toEqual(alone);
});

test("deterministic: the same numbers behind a cached prompt and beside others, by whole chunks of it alone", async () => {
  const prompt = `${STORY} `.repeat(50);
  const answer = async (options: RunOptions) => {
    const fixed = { maxTokens: 6, temperature: 0, logprobs: 2 };
    const { tokens, receipt } = await model.complete(prompt, { ...fixed, ...options });
    return { logprobs: tokens, tokens: receipt.tokens };
  };
  const { logprobs, tokens } = await answer({ cachePrompt: false });
  expect(logprobs).toHaveLength(6);
  expect(tokens.prompt).toBeGreaterThan(PREFILL_CHUNK + 1);
  const byDefault = await answer({});
  expect(byDefault.tokens.cached).toBe(tokens.prompt - 1);
  // A run over one token rounds differently from a run over a chunk.
  expect(byDefault.logprobs).not.toEqual(logprobs);
  const together = Array.from({ length: 3 }, () => answer({ deterministic: true }));
  for (const again of await Promise.all(together)) {
    expect(again.logprobs).toEqual(logprobs);
    expect(again.tokens.cached).toBe(PREFILL_CHUNK);
  }
});

test("a second turn takes the first from the cache", async () => {
  const first = await model.complete([{ role: "user", content: QUESTION }], { maxTokens: 8 });
  const second = await model.complete(
    [
      { role: "user", content: QUESTION },
      { role: "assistant", content: first.text },
      { role: "user", content: "And 3 + 3?" },
    ],
    { maxTokens: 4 },
  );
  expect(second.receipt.tokens.cached).toBeGreaterThanOrEqual(first.receipt.tokens.prompt);
  expect(second.receipt.tokens.cached).toBeLessThan(second.receipt.tokens.prompt);
  expect(second.text).not.toBe("");
});

describe("refusals, in one sentence", () => {
  test("a prompt beyond the context names both numbers", async () => {
    const { context } = model.language.decoder.config;
    const long = "word ".repeat(context + 10);
    const length = model.language.encode(long, true).length;
    const attempt = model.complete(long, { raw: true });
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(`${length} tokens`);
    await expect(attempt).rejects.toThrow(`context is ${context}`);
  });

  test("an empty prompt", async () => {
    await expect(model.complete("", { raw: true })).rejects.toThrow(
      new UserError("the prompt is empty, expected at least one token"),
    );
  });

  test.each([
    [{ maxTokens: -1 }, "maxTokens"],
    [{ temperature: -1 }, "temperature"],
    [{ stop: [""] }, "stop.0"],
    [{ logprobs: 21 }, "logprobs"],
  ])("options %j", async (options, field) => {
    await expect(model.complete(QUESTION, options)).rejects.toThrow(UserError);
    await expect(model.complete(QUESTION, options)).rejects.toThrow(`${field}: `);
  });
});

/**
 * FLOPs by closed form: 2 per parameter and token, 4·d per query head and visible key, and the head on one row per sampled
 * token.
 */
function llamaFlops(
  parameters: number,
  attention: number,
  head: number,
  past: number,
  runs: readonly number[],
): number {
  let position = past;
  let flops = 0;
  for (const tokens of runs) {
    flops += 2 * parameters * tokens;
    for (let i = 0; i < tokens; i++) flops += attention * ++position;
  }
  return flops + head;
}

test("without savings the receipt says dense = spent, to the FLOP by the closed form", async () => {
  const { receipt } = await model.complete("A prompt that nothing came before.", { raw: true, maxTokens: 9 });
  const { prompt, cached, completion } = receipt.tokens;
  expect({ cached, completion }).toEqual({ cached: 0, completion: 9 });
  expect(receipt.flops.spent).toBe(receipt.flops.dense);
  expect(receipt.bytes.spent).toBe(receipt.bytes.dense);
  expect(receipt.flops).toMatchObject({ overhead: 0, saved: 0 });
  const before = 576 * 576 + 2 * 576 * 192;
  const after = 576 * 576 + 3 * 576 * 1536;
  // The last token is sampled but not run; the head begins after the last attention.
  const runs = [prompt, ...Array<number>(completion - 1).fill(1)];
  const head = completion * 2 * (after + 576 * 49152);
  const expected = llamaFlops(30 * before + 29 * after, 30 * 4 * 9 * 64, head, 0, runs);
  expect(Math.abs(receipt.flops.spent / expected - 1)).toBeLessThan(1e-9);
});

/** All values are in float32, so a different order of summation changes little. */
describe("a model of random weights in float32", () => {
  let tiny: Model;
  beforeAll(async () => {
    tiny = await load(fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url)));
  });
  const ids = Array.from({ length: 120 }, (_, i) => 3 + ((i * 31 + 7) % 50));

  test("logits after a reused prefix equal a fresh slot's", async () => {
    const { engine } = tiny.language;
    const meter = new Meter(engine.programs);
    const fresh = engine.acquire(ids);
    const expected = (await engine.prefill(fresh, ids, meter)).slice();
    fresh.truncate(0);
    const other = engine.acquire(ids);
    await engine.prefill(other, [...ids.slice(0, 70), 5, 6, 7], meter);
    engine.release(other);
    const reused = engine.acquire(ids);
    expect(reused).toBe(other);
    expect(reused.tokens).toEqual(ids.slice(0, 70));
    const got = await engine.prefill(reused, ids, meter);
    for (const [i, v] of got.entries()) expect(Math.abs(v - expected[i]!)).toBeLessThan(1e-5);
    for (const slot of [fresh, reused]) engine.release(slot);
  });

  test("the same prompt again runs its last token only", async () => {
    const { engine } = tiny.language;
    const slot = engine.acquire(ids);
    expect(slot.tokens).toHaveLength(ids.length - 1);
    engine.release(slot);
  });

  test("the context's end ends an answer", async () => {
    const { context } = tiny.language.decoder.config;
    const prompt = "a".repeat(context - 3);
    const { tokens, receipt } = await tiny.complete(prompt, {
      raw: true,
      temperature: 1,
      seed: 1,
      logitBias: { 2: -100 },
    });
    expect(receipt.tokens.prompt + tokens.length).toBeLessThanOrEqual(context);
    expect(tokens.length).toBeGreaterThan(0);
  });

  test("after disposal: a request under way ends with an error, a new one is refused", async () => {
    const answer = tiny.generate("abc", { raw: true, temperature: 1, seed: 1, maxTokens: 200 });
    await answer.next();
    tiny.dispose();
    await expect(answer.next()).rejects.toThrow("model was used after it was disposed");
    await expect(tiny.complete("abc", { raw: true })).rejects.toThrow("model was used after it was disposed");
    expect(() => tiny.dispose()).not.toThrow();
  });
});
