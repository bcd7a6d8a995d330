import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import { load } from "../../index.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import type { Answer, AnswerOf, Item } from "../item.ts";
import { dropping, leaving, openAnswerer } from "./answer.testing.ts";
import { cut } from "./cut.ts";
import { windows } from "./decoder.ts";
import { type Answerer, openAnswering, type Reply, type Truncation } from "./index.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const TINY = fixture("models/fixtures/llama-tiny.gguf");
const opened: Answerer[] = [];
afterAll(() => {
  for (const answerer of opened) answerer[Symbol.dispose]();
});

async function open(model: string, truncate?: Truncation): Promise<Answerer> {
  const answerer = await openAnswerer({ source: await resolveModel(model), quant: "f32", truncate });
  opened.push(answerer);
  return answerer;
}

async function answer<A extends Answer>(answerer: Answerer, item: Item): Promise<A> {
  return (await answerer.plan(item)!()).answer as A;
}

describe("a language model", () => {
  const generation = {
    kind: "generation",
    id: "g",
    prompt: "abc de",
    stop: [],
    maxTokens: 12,
    answers: ["x"],
  } as const;
  const text = "the cat sat on the mat and saw a dog ".repeat(3);

  test("generates the same as a plain run, raw, whatever it answered before", async () => {
    using model = await load(TINY, { quant: "f32" });
    const { text, receipt } = await model.complete("abc de", { raw: true, maxTokens: 12 });
    const answerer = await open(TINY);
    for (const before of ["", "abc d", "abc de"]) {
      if (before !== "") await answer(answerer, { ...generation, prompt: before });
      const { answer: got, flops } = await answerer.plan(generation)!();
      expect(got).toEqual({ text });
      expect(flops).toMatchObject({ dense: receipt.flops.dense, spent: receipt.flops.spent });
    }
    const stopped = await answer<AnswerOf["generation"]>(answerer, { ...generation, stop: [text.slice(3, 5)] });
    expect(stopped.text).toBe(text.slice(0, text.indexOf(text.slice(3, 5))));
  });

  test("continues for as long as the task says, even in circles", async () => {
    using model = await load(TINY, { quant: "f32" });
    const { finishReason } = await model.complete("a", { raw: true, maxTokens: 120 });
    expect(finishReason).toBe("repetition");
    const got = await answer<AnswerOf["generation"]>(await open(TINY), { ...generation, prompt: "a", maxTokens: 120 });
    expect(got.text).toHaveLength(120);
  });

  test("predicts a text: all its tokens, as the continuation of an empty text", async () => {
    const answerer = await open(TINY);
    const whole = await answer<AnswerOf["continuation"]>(answerer, {
      ...{ kind: "continuation", id: "c", context: "", continuation: text },
    });
    const got = await answer<AnswerOf["text"]>(answerer, { kind: "text", id: "t", text });
    expect(got.tokens).toBe(whole.tokens);
    expect(got.logLikelihood).toBeCloseTo(whole.logLikelihood, 3);
  });

  test("scores labels by their likelihood after the text", async () => {
    const answerer = await open(TINY);
    const labels = ["a", "bc", "the cat"];
    const got = await answer<AnswerOf["label"]>(answerer, { kind: "label", id: "l", text: "dog", labels, gold: 0 });
    const choices = labels.map((label) => ({ context: "Text: dog\nLabel:", continuation: ` ${label}` }));
    const { likelihoods } = await answer<AnswerOf["choice"]>(answerer, { kind: "choice", id: "c", choices, gold: 0 });
    expect(got.scores).toEqual(likelihoods.map((l) => l.logLikelihood));
  });

  test("reports that a prompt does not fit, with its answer, or cuts it as configured", async () => {
    const long = { ...generation, prompt: "abc ".repeat(3000) };
    expect((await open(TINY)).plan(long)).toBeUndefined();
    for (const truncate of ["left", "middle"] as const)
      expect(await answer(await open(TINY, truncate), long)).toHaveProperty("text");
  });

  test("refuses to rank", async () => {
    const item: Item = { kind: "ranking", id: "r", query: "q", documents: [], relevance: {} };
    expect(() => opened[0]!.plan(item)).toThrow(/generates text; a task that ranks documents needs an encoder/);
  });
});

describe("one model under several recipes", () => {
  const sparse = parseRecipe(["xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70"]);
  const prompt = "the cat sat on the mat and saw a dog ".repeat(3);
  const items: readonly Item[] = [
    { kind: "generation", id: "g", prompt, stop: [], maxTokens: 12, answers: ["x"] },
    { kind: "continuation", id: "c", context: prompt, continuation: " and the dog saw the cat" },
    { kind: "text", id: "t", text: prompt },
    { kind: "generation", id: "g again", prompt: `${prompt}a`, stop: [], maxTokens: 12, answers: ["x"] },
  ];
  const answersOf = async (answerer: Answerer) => {
    const results = [];
    for (const item of items) results.push(await answerer.plan(item)!());
    results.push(...(await answerer.together!(items.filter(({ kind }) => kind === "generation"))));
    return results;
  };

  test("is loaded once, and each recipe answers to the bit as with its own model", async () => {
    const setting = { source: await resolveModel(TINY), quant: "f32", truncate: undefined } as const;
    const loads = vi.spyOn(LanguageModel, "load");
    using model = await openAnswering(setting);
    const shared = [];
    for (const recipe of [[], sparse, []]) {
      using answerer = await model.under(recipe);
      shared.push(await answersOf(answerer));
    }
    expect(loads).toHaveBeenCalledTimes(1);
    loads.mockRestore();
    for (const [i, recipe] of [[], sparse].entries()) {
      using alone = await openAnswerer(setting, recipe);
      expect(shared[i]).toEqual(await answersOf(alone));
    }
    expect(shared[2]).toEqual(shared[0]);
    expect(shared[1]![0]!.flops.spent).not.toBe(shared[0]![0]!.flops.spent);
  });

  test("two at a time do not change each other's answers", async () => {
    using model = await openAnswering({ source: await resolveModel(TINY), quant: "f32", truncate: undefined });
    using dense = await model.under([]);
    using other = await model.under(sparse);
    const alone = [
      (await answersOf(dense)).map(({ answer }) => answer),
      (await answersOf(other)).map(({ answer }) => answer),
    ];
    for (const item of items) {
      const at = items.indexOf(item);
      expect((await dense.plan(item)!()).answer).toEqual(alone[0]![at]);
      expect((await other.plan(item)!()).answer).toEqual(alone[1]![at]);
    }
  });

  test("scores the text after a context under savings that drop some of its tokens, or exit early after it", async () => {
    using model = await openAnswering({ source: await resolveModel(TINY), quant: "f32", truncate: undefined });
    const results = [];
    for (const recipe of [[], [dropping], [leaving], [dropping]]) {
      using answerer = await model.under(recipe);
      results.push(await answerer.plan(items[1]!)!());
    }
    const [dense, dropped, left, again] = results as [Reply, Reply, Reply, Reply];
    const nats = ({ answer }: Reply) => (answer as AnswerOf["continuation"]).logLikelihood;
    expect(again).toEqual(dropped);
    for (const saved of [dropped, left]) {
      expect(nats(saved)).toBeLessThan(0);
      expect(Math.abs(nats(saved) - nats(dense))).toBeGreaterThan(1e-3);
      expect(saved.answer).toMatchObject({ tokens: (dense.answer as AnswerOf["continuation"]).tokens });
      expect(saved.flops.dense).toBeCloseTo(dense.flops.dense, 0);
      expect(saved.flops.spent).toBeLessThan(dense.flops.spent);
    }
  });

  test("refuses a text to score if tokens are dropped, and savings without a seam", async () => {
    using model = await openAnswering({ source: await resolveModel(TINY), quant: "f32", truncate: undefined });
    using answerer = await model.under([dropping]);
    expect(() => answerer.plan(items[2]!)).toThrow("drop:keep=0.5 drops tokens of the prompt");
    expect(answerer.plan(items[1]!)).toBeDefined();
    const encoder = await resolveModel(fixture("engine/fixtures/classifier"));
    using seamless = await openAnswering({ source: encoder, quant: "f32", truncate: undefined });
    await expect(seamless.under(sparse)).rejects.toThrow(/has no seam for savings: "xattention:.*" cannot act/);
  });
});

describe("an encoder", () => {
  test("labels by its classifier's scores", async () => {
    const { readings, scores } = JSON.parse(readFileSync(fixture("engine/fixtures/classifier/task.json"), "utf8"));
    const answerer = await open(fixture("engine/fixtures/classifier"));
    const at = readings.findIndex((reading: unknown) => typeof reading === "string");
    const labels = ["positive", "negative", "neutral"];
    const item: Item = { kind: "label", id: "l", text: readings[at], labels, gold: 0 };
    const got = await answer<AnswerOf["label"]>(answerer, item);
    for (const [i, label] of labels.entries()) expect(got.scores[i]).toBeCloseTo(scores[at][label], 4);
    expect(() => answerer.plan({ kind: "text", id: "t", text: "a" })).toThrow(
      /kind is text, expected label or ranking/,
    );
  });

  test("counts each text cut at its end once, and refuses an option for the place", async () => {
    const answerer = await open("minilm");
    const [long, short] = ["wing ".repeat(300), "wing ".repeat(200)];
    const documents = [long, short, `${long}.`].map((text, i) => ({ id: String(i), text }));
    const rank = (query: string): Item => ({ kind: "ranking", id: query, query, documents, relevance: {} });
    expect(answerer.cutTexts!([rank("a"), rank(short), rank(long)])).toBe(2);
    const label = (text: string): Item => ({ kind: "label", id: "l", text, labels: ["a", "b"], gold: 0 });
    expect(answerer.cutTexts!([label(short), label(long)])).toBe(1);
    // Two of the encoder's 256 tokens are special tokens around the text.
    const tokens = (count: number) => answerer.cutTexts!([label("wing ".repeat(count))]);
    expect([tokens(254), tokens(255)]).toEqual([0, 1]);
    const pairs = await open(fixture("engine/fixtures/cross-encoder"));
    expect(pairs.cutTexts!([rank("a"), rank("a ".repeat(5000))])).toBeGreaterThanOrEqual(3);
    expect(pairs.cutTexts!([{ ...rank("a"), documents: [{ id: "0", text: "b" }] } as Item])).toBe(0);
    await expect(open("minilm", "left")).rejects.toThrow(/is an encoder, .*--truncate is for models that generate/);
  });

  test("labels and ranks by the similarity of embeddings; its bill is the item's own", async () => {
    const answerer = await open("minilm");
    const documents = [
      { id: "pie", text: "How to bake an apple pie with cinnamon." },
      { id: "jet", text: "The lift of a wing at supersonic speed." },
      { id: "tax", text: "When the tax return is due." },
    ];
    const rank = (query: string, id: string): Item => ({ kind: "ranking", id, query, documents, relevance: {} });
    const [first, again] = [
      await answerer.plan(rank("aircraft flow", "1"))!(),
      await answerer.plan(rank("aircraft flow", "2"))!(),
    ];
    expect((first.answer as AnswerOf["ranking"]).order[0]).toBe("jet");
    expect((first.answer as AnswerOf["ranking"]).order).toHaveLength(3);
    expect(again.flops).toEqual(first.flops);
    const labels = ["cooking", "aviation", "money"];
    const got = await answer<AnswerOf["label"]>(answerer, {
      kind: "label",
      id: "l",
      text: documents[0]!.text,
      labels,
      gold: 0,
    });
    expect(Math.max(...got.scores)).toBe(got.scores[0]);
  });
});

test("a text-to-text model generates, and nothing else", async () => {
  const { answers } = JSON.parse(readFileSync(fixture("models/fixtures/t5/seq2seq.json"), "utf8"));
  const [{ text, answer: ids, decoded }] = answers;
  const answerer = await open(fixture("models/fixtures/t5"));
  const item: Item = { kind: "generation", id: "g", prompt: text, stop: [], maxTokens: ids.length, answers: [""] };
  expect(await answer(answerer, item)).toEqual({ text: decoded });
  expect(() => answerer.plan({ kind: "text", id: "t", text: "a" })).toThrow(/kind is text, expected generation/);
});

describe("a text longer than a context", () => {
  const ids = [1, 2, 3, 4, 5, 6, 7];
  test("is cut at the beginning or in the middle", () => {
    expect(cut(ids, 7, undefined)).toEqual(ids);
    expect(cut(ids, 6, undefined)).toBeUndefined();
    expect(cut(ids, 3, "left")).toEqual([5, 6, 7]);
    expect(cut(ids, 5, "middle")).toEqual([1, 2, 5, 6, 7]);
    expect(cut(ids, 0, "left")).toBeUndefined();
  });

  // Expected values: lm_eval.utils.get_rolling_token_windows with make_disjoint_window, for max_seq_len 4 and
  // context_len 1.
  test("is read in windows, each token predicted once", () => {
    expect(windows([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0, 4)).toEqual([
      { tokens: [0, 1, 2, 3, 4], from: 1 },
      { tokens: [4, 5, 6, 7, 8], from: 1 },
      { tokens: [6, 7, 8, 9, 10], from: 3 },
    ]);
    expect(windows([1, 2], 0, 4)).toEqual([{ tokens: [0, 1, 2], from: 1 }]);
  });
});
