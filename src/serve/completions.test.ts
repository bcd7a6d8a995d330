/** OpenAI's completions, beyond continuing a text: token ids, echo, best_of, and filling in the middle. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Meter } from "../engine/bill/meter.ts";
import { Sequence } from "../engine/decode/answer/sequence.ts";
import { Likelihoods } from "../engine/decode/score/likelihood.ts";
import { Scheduler } from "../engine/schedule/scheduler.ts";
import { load, type Model } from "../index.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing, TINY, tinyWith } from "./serve.testing.ts";

const FIM = { prefix: 40, suffix: 41, middle: 42 };
const folder = mkdtempSync(path.join(tmpdir(), "modicum-fim-"));
const filling = path.join(folder, "filling.gguf");
let [server, openai, model]: [Testing, OpenAI, Model] = [] as never;
beforeAll(async () => {
  const id = (name: string, value: number) => ({ [`tokenizer.ggml.${name}_token_id`]: ["uint32", value] as const });
  writeFileSync(
    filling,
    tinyWith({ ...id("fim_pre", FIM.prefix), ...id("fim_suf", FIM.suffix), ...id("fim_mid", FIM.middle) } as never),
  );
  server = await serveModels([TINY[0]!, `filling=${filling}`]);
  openai = openaiOf(server);
  model = await load(TINY[0]!.slice("tiny=".length));
});
afterAll(async () => {
  model.dispose();
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

/** A text that the test model's small vocabulary can encode. */
const TEXT = "once upon a time there was a lighthouse keeper";
const base = { model: "tiny", temperature: 0, max_tokens: 6 };
const encoded = (text: string) => model.language.encode(text, true);
type Choice = OpenAI.CompletionChoice;
const billOf = (answer: object) => (answer as { receipt: { tokens: object; flops: { spent: number } } }).receipt;

/** The log-probabilities that the lab computes for a text's tokens, except the first. */
async function reference(ids: readonly number[]): Promise<number[]> {
  const { engine } = model.language;
  using likelihoods = await Likelihoods.create(engine);
  return (await likelihoods.ofText(ids, 1, new Meter(engine.programs))).map(({ nats }) => nats);
}

describe("prompts of token ids", () => {
  test("are answered like their text, one or several, with nothing added before them", async () => {
    const ids = [TEXT, "abc"].map(encoded);
    const texts = await openai.completions.create({ ...base, prompt: [TEXT, "abc"] });
    const several = await openai.completions.create({ ...base, prompt: ids });
    expect(several.choices).toEqual(texts.choices);
    const one = await openai.completions.create({ ...base, prompt: ids[0]! });
    expect(one.choices).toEqual(texts.choices.slice(0, 1));
    expect(one.usage!.prompt_tokens).toBe(ids[0]!.length);
  });
});

describe("an echoed prompt", () => {
  test("is the beginning of the text, for a text and for ids, whole and streamed, and costs nothing", async () => {
    await openai.completions.create({ ...base, prompt: TEXT });
    const plain = await openai.completions.create({ ...base, prompt: TEXT });
    const echoed = await openai.completions.create({ ...base, prompt: TEXT, echo: true });
    expect(echoed.choices[0]!.text).toBe(TEXT + plain.choices[0]!.text);
    expect(billOf(echoed)).toMatchObject({ tokens: billOf(plain).tokens, flops: billOf(plain).flops });
    const ofIds = await openai.completions.create({ ...base, prompt: encoded(TEXT), echo: true });
    expect(ofIds.choices).toEqual(echoed.choices);
    const stream = await openai.completions.create({ ...base, prompt: TEXT, echo: true, stream: true });
    const pieces: string[] = [];
    for await (const { choices } of stream) pieces.push(choices[0]!.text);
    expect(pieces[0]!.startsWith(TEXT)).toBe(true);
    expect(pieces.join("")).toBe(echoed.choices[0]!.text);
  });

  test("alone runs nothing", async () => {
    const answer = await openai.completions.create({ ...base, prompt: ["abc", TEXT], echo: true, max_tokens: 0 });
    expect(answer.choices.map(({ text, finish_reason: why }) => [text, why])).toEqual([
      ["abc", "length"],
      [TEXT, "length"],
    ]);
    expect(billOf(answer).flops.spent).toBe(0);
  });

  test("has its tokens' log-probabilities, equal to the lab's, first, and the likeliest at each place", async () => {
    const ids = encoded(TEXT);
    const nats = await reference(ids);
    const answer = await openai.completions.create({ ...base, prompt: ids, echo: true, logprobs: 3, max_tokens: 2 });
    const [{ text, logprobs }] = answer.choices as [Choice];
    const { tokens, token_logprobs: each, top_logprobs: top, text_offset: offsets } = logprobs!;
    expect([tokens, each, top, offsets].map((list) => list!.length)).toEqual(Array(4).fill(ids.length + 2));
    expect([each![0], top![0], offsets![0]]).toEqual([null, null, 0]);
    expect(each!.slice(1, ids.length)).toEqual(nats.map((value) => expect.closeTo(value, 3)));
    for (const [i, likeliest] of top!.slice(1).entries()) {
      expect(likeliest[tokens![i + 1]!]).toBe(each![i + 1]);
      expect(Math.max(...Object.values(likeliest))).toBeGreaterThanOrEqual(each![i + 1]!);
    }
    const characters = [...text];
    for (const [i, token] of tokens!.entries())
      if (!token.startsWith("bytes:")) expect(characters.slice(offsets![i]).join("").startsWith(token)).toBe(true);
  });

  test("is only scored with max_tokens 0, each of several alike, also in a stream", async () => {
    const prompts = [encoded(TEXT), [7], encoded("abc xyz")];
    const request = { ...base, prompt: prompts, echo: true, logprobs: 1, max_tokens: 0 };
    const answer = await openai.completions.create(request);
    expect(answer.usage).toMatchObject({ completion_tokens: 0, prompt_tokens: prompts.flat().length });
    for (const [i, { logprobs, finish_reason: why }] of answer.choices.entries()) {
      const nats = await reference(prompts[i]!);
      expect(logprobs!.token_logprobs).toEqual([null, ...nats.map((value) => expect.closeTo(value, 3))]);
      expect(why).toBe("length");
      const alone = await openai.completions.create({ ...request, prompt: prompts[i]! });
      expect(alone.choices[0]!.logprobs).toEqual(logprobs);
    }
    const events = [];
    for await (const { choices } of await openai.completions.create({ ...request, stream: true }))
      events.push(...choices);
    const byIndex = events.toSorted((a, b) => a.index - b.index);
    expect(byIndex.map(({ text, logprobs }) => [text, logprobs])).toEqual(
      answer.choices.map(({ text, logprobs }) => [text, logprobs]),
    );
  });

  test("includes the end token among the others: readers of the prompt's values count from the end", async () => {
    const [stop] = model.language.tokenizer.stopIds;
    const biased = { ...base, prompt: [5, 6, 7], logprobs: 1, max_tokens: 1, logit_bias: { [stop!]: 100 } };
    const lengths = async (echo: boolean) => {
      const { choices } = await openai.completions.create({ ...biased, echo });
      return [choices[0]!.logprobs!.tokens!.length, choices[0]!.finish_reason];
    };
    expect(await lengths(true)).toEqual([4, "stop"]);
    expect(await lengths(false)).toEqual([0, "stop"]);
  });

  test("has its special tokens in place, without text", async () => {
    const [stop] = model.language.tokenizer.stopIds;
    const [a, b] = [encoded("abc"), encoded("xyz")];
    const prompt = [...a, stop!, ...b];
    const answer = await openai.completions.create({ ...base, prompt, echo: true, logprobs: 0, max_tokens: 0 });
    const { text, logprobs } = answer.choices[0]!;
    expect(text).toBe("abcxyz");
    expect(logprobs!.tokens).toHaveLength(prompt.length);
    expect(logprobs!.text_offset!.slice(a.length, a.length + 2)).toEqual([3, 3]);
  });
});

describe("the best of several", () => {
  const drawn = { ...base, prompt: [TEXT, "abc"], temperature: 1.5, seed: 3, logprobs: 0 };
  const mean = ({ logprobs }: Choice) =>
    logprobs!.token_logprobs!.reduce((a, b) => a + b, 0) / logprobs!.token_logprobs!.length;

  test("are those with the highest mean log-probability, the best first; all draws are counted", async () => {
    // End tokens would count towards the mean without being returned, so they are banned.
    const endless = Object.fromEntries([...model.language.tokenizer.stopIds].map((id) => [id, -100]));
    const request = { ...drawn, logit_bias: endless };
    const all = await openai.completions.create({ ...request, n: 5 });
    const best = await openai.completions.create({ ...request, n: 2, best_of: 5 });
    const expected = [0, 5].flatMap((at) =>
      all.choices
        .slice(at, at + 5)
        .sort((a, b) => mean(b) - mean(a))
        .slice(0, 2),
    );
    expect(best.choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(best.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(best.usage).toMatchObject({
      completion_tokens: all.usage!.completion_tokens,
      prompt_tokens: all.usage!.prompt_tokens,
    });
    const { logprobs: _, ...silent } = request;
    const without = await openai.completions.create({ ...silent, n: 2, best_of: 5 });
    expect(without.choices.map(({ text, logprobs }) => [text, logprobs])).toEqual(
      best.choices.map(({ text }) => [text, null]),
    );
  });
});

describe("a suffix", () => {
  test("precedes the answer in the prompt, between the model's own tokens for it", async () => {
    const [before, after] = ["abc", "xyz"].map((text) => model.language.tokenizer.encode(text)) as [number[], number[]];
    const bos = encoded("abc").slice(0, -before.length);
    const ids = [...bos, FIM.prefix, ...before, FIM.suffix, ...after, FIM.middle];
    const request = { ...base, model: "filling" };
    const expected = await openai.completions.create({ ...request, prompt: ids });
    const answer = await openai.completions.create({ ...request, prompt: "abc", suffix: "xyz" });
    expect(answer.choices[0]!.text).toBe(expected.choices[0]!.text);
    expect(answer.usage!.prompt_tokens).toBe(ids.length);
  });

  test("is also read under savings, which the receipt names", async () => {
    const request = { ...base, model: "filling", prompt: "abc", suffix: "xyz" };
    const dense = await openai.completions.create(request);
    const answer = await openai.completions.create({
      ...request,
      savings: ["exit:layer=1,fill=mask"],
    } as typeof request);
    expect(billOf(answer)).toMatchObject({ recipe: ["exit:layer=1,fill=mask"] });
    expect(answer.usage!.prompt_tokens).toBe(dense.usage!.prompt_tokens);
    expect(billOf(answer).flops.spent).toBeLessThan(billOf(dense).flops.spent);
  });

  test("that is empty counts as none", async () => {
    const plain = await openai.completions.create({ ...base, prompt: "abc" });
    expect((await openai.completions.create({ ...base, prompt: "abc", suffix: "" })).choices).toEqual(plain.choices);
  });
});

test("a scored one ends with its time, and is billed for what ran", async () => {
  const controller = new AbortController();
  const before = (await jsonOf(fetch(`${server.url}/v1/receipts`))).sum.receipts;
  const prompt = Array(64).fill(encoded(TEXT.repeat(4)));
  let signal: AbortSignal | undefined;
  const { submit } = Scheduler.prototype;
  vi.spyOn(Scheduler.prototype, "submit").mockImplementation(function (this: Scheduler, job) {
    signal = job.signal;
    return submit.call(this, job);
  });
  const { advance } = Sequence.prototype;
  const advances = vi.spyOn(Sequence.prototype, "advance").mockImplementation(async function (this: Sequence) {
    const piece = await advance.call(this);
    if (advances.mock.calls.length > 1) return piece;
    controller.abort();
    await expect.poll(() => signal?.aborted).toBe(true);
    return piece;
  });
  const going = fetch(`${server.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...base, prompt, echo: true, logprobs: 5, max_tokens: 0 }),
    signal: controller.signal,
  });
  await expect(going).rejects.toThrow();
  await expect.poll(async () => (await jsonOf(fetch(`${server.url}/v1/receipts`))).sum.receipts).toBe(before + 1);
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts?limit=1`));
  expect(data[0].tokens.prompt).toBeLessThan(prompt.flat().length);
  vi.restoreAllMocks();
  // The request's rows are free again.
  expect((await post(server, "/v1/completions", { ...base, prompt: "abc" })).status).toBe(200);
});
