import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model, type Receipt, UserError } from "../../../index.ts";
import { openDecoder } from "../../../models/registry.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { Request } from "../../schedule/ticket.ts";
import { type Answer, generateAll } from "../answer/batch-generate.ts";
import { generate, generateOptions } from "../answer/generate.ts";
import { compareWithAlone, texts } from "./batch.testing.ts";
import { Engine } from "./engine.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-batch-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("rows that join and leave at any step have the logits that they have alone", () => {
  // Every decoder architecture. No text is long enough to change LongRoPE's factors, which would make it run again.
  const folders = readdirSync(fixture("")).filter((name) => existsSync(fixture(`${name}/reference.json`)));
  const files = ["llama-tiny.gguf", ...folders.map((name) => `${name}/model.safetensors`)];
  test.each(files)("%s, more of them than rows of one cache", async (file) => {
    const { decoder, weights } = await openDecoder(openCheckpoint(fixture(file)), path.join(folder, file), "f32");
    using engine = await Engine.create(decoder, weights);
    await compareWithAlone(engine, texts(24, decoder.config.vocabulary, 20, 25));
  });
});

describe("many prompts at once", () => {
  const path = fixture("llama-tiny.gguf");
  let model: Model;
  beforeAll(async () => {
    model = await load(path);
  });
  afterAll(() => model.dispose());

  const requests: Request[] = texts(20, 64, 60, 1).map(({ prompt }, i) => ({
    prompt,
    options: generateOptions.parse({ maxTokens: 1 + ((i * 7) % 30), temperature: 1, seed: i, stop: ["ab", "e"] }),
  }));

  async function one(m: Model, { prompt, options }: Request): Promise<Answer> {
    const { engine, tokenizer } = m.language;
    const whole = { text: "", tokens: [] as Answer["tokens"][number][] };
    for await (const { text, tokens, finish } of generate(engine, tokenizer, prompt, options)) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (finish) return { ...whole, ...finish };
    }
    throw new Error("no last piece");
  }

  test("each has the text, the end and the bill that it has alone", async () => {
    using other = await load(path);
    const expected: Answer[] = [];
    for (const request of requests) expected.push(await one(other, request));
    const got = await generateAll(model.language.engine, model.language.tokenizer, requests);
    const untimed = ({ usage: { ms: _, arrived: __, ...usage }, ...answer }: Answer) => ({ ...answer, usage });
    expect(got.map(untimed)).toEqual(expected.map(untimed));
    expect(new Set(got.map((a) => a.reason))).toEqual(new Set(["stop", "length"]));
  });

  test("completeAll: options of each, answers in order, none for none", async () => {
    const prompts = ["abc", "de", "fghij"].map((prompt, i) => ({ prompt, raw: true, maxTokens: i + 1, logprobs: i }));
    const answers = await model.completeAll(prompts);
    expect(answers.map((a) => a.tokens.length)).toEqual([1, 2, 3]);
    expect(answers.map((a) => a.tokens[0]!.top?.length)).toEqual([0, 1, 2]);
    expect(answers.map((a) => a.receipt.tokens.completion)).toEqual([1, 2, 3]);
    expect(new Set(answers.map((a) => a.receipt.id)).size).toBe(3);
    expect(await model.completeAll([])).toEqual([]);
  });

  test("one prompt that is too long, or an option out of range, stops it before anything runs", async () => {
    const good = { prompt: "abc", raw: true };
    const long = model.completeAll([good, { prompt: "a".repeat(2000), raw: true }]);
    await expect(long).rejects.toThrow(UserError);
    await expect(long).rejects.toThrow("the model's context is");
    await expect(model.completeAll([good, { ...good, maxTokens: -1 }])).rejects.toThrow("maxTokens: ");
  });

  test("stopped, each that had begun is billed what it came to, those that were done as they were", async () => {
    const prompts = ["abc", "de", "fghij"].map((prompt, i) => ({ prompt, raw: true, maxTokens: i === 1 ? 1 : 150 }));
    const whole = await model.completeAll(prompts.map((prompt) => ({ ...prompt, maxTokens: 1 })));
    const bills: Receipt[] = [];
    const stop = new AbortController();
    const steps = vi.spyOn(model.language.engine, "stepAll").mockImplementationOnce(async () => {
      stop.abort();
      throw stop.signal.reason;
    });
    const onStopped = (receipt: Receipt) => void bills.push(receipt);
    const run = model.completeAll(prompts, { signal: stop.signal, onStopped });
    await expect(run).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    steps.mockRestore();
    expect(bills.map((bill) => bill.tokens)).toEqual(
      whole.map(({ receipt: { tokens } }) => ({ ...tokens, cached: tokens.prompt - 1 })),
    );
  });

  test("an abort ends all, and their slots are free again", async () => {
    const { engine, tokenizer } = model.language;
    // No text ends before the last has started, because a later text would take its slot.
    const logitBias = Object.fromEntries([...tokenizer.stopIds].map((id) => [id, -100]));
    const endless = { maxTokens: 150, stop: [], logitBias };
    const eight = requests.slice(0, 8).map((r) => ({ ...r, options: { ...r.options, ...endless } }));
    await generateAll(engine, tokenizer, eight);
    for (let round = 0; round < 3; round++) {
      const stop = new AbortController();
      const { stepAll } = engine;
      const steps = vi.spyOn(engine, "stepAll").mockImplementation((all) => {
        if (steps.mock.calls.length === 40 * round + 10) stop.abort();
        return stepAll.call(engine, all);
      });
      const run = generateAll(engine, tokenizer, eight, stop.signal);
      await expect(run).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
      steps.mockRestore();
    }
    const slots = eight.map(({ prompt }) => engine.acquire(prompt));
    expect(slots.map((slot) => slot.tokens.length)).toEqual(eight.map(({ prompt }) => prompt.length - 1));
    for (const slot of slots) engine.release(slot);
  });
});
