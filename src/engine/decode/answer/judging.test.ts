import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../../../index.ts";
import { Meter } from "../../bill/meter.ts";
import { activate } from "../../encoders/text/classifier.ts";
import { fitted } from "../score/fitted.ts";
import { labelRequests } from "../score/labelled.ts";
import { relevanceRequests } from "../score/relevance.ts";

const TINY = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
const documents = ["Tokyo is the capital of Japan.", "Bake a pie.", "Japan is an island."];
const query = "What is the capital of Japan?";

/** Returns the logits after a prompt, in a separate run. */
async function logitsAfter({ language: { engine } }: Model, prompt: readonly number[]): Promise<number[]> {
  engine.forget();
  const slot = engine.acquire(prompt);
  const logits = [...(await engine.prefill(slot, prompt, new Meter(engine.programs)))];
  engine.release(slot);
  engine.forget();
  return logits;
}

describe("a model that chats", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("smollm2", { quant: "f32" });
  });
  afterAll(() => model.dispose());

  test("is asked as Qwen3-Reranker is, and its score is P(yes) / (P(yes) + P(no)) of the logits after that", async () => {
    const { language } = model;
    const { tokenizer } = language;
    const { scores } = await model.relevance(query, documents);
    for (const [i, document] of documents.entries()) {
      const { context } = relevanceRequests(language, query, [document])[0]!;
      const system = `Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".`;
      const user = `<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: ${query}\n<Document>: ${document}`;
      const written = `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`;
      expect(context).toEqual(tokenizer.encode(written, { special: true }));
      const logits = await logitsAfter(model, context);
      const [yes, no] = ["yes", "no"].map((word) => tokenizer.encode(word));
      expect([yes!.length, no!.length]).toEqual([1, 1]);
      expect(scores[i]).toBeCloseTo(activate([logits[yes![0]!]!, logits[no![0]!]!], "softmax")[0]!, 4);
    }
  });

  test("computes what documents share once: the prompt is billed without what came from the cache", async () => {
    model.language.engine.forget();
    const lengths = relevanceRequests(model.language, query, documents).map(({ context }) => context.length);
    const { receipt } = await model.relevance(query, documents);
    expect(receipt.tokens.prompt).toBe(lengths.reduce((a, b) => a + b));
    expect(receipt.tokens.cached).toBeGreaterThan(2 * 60);
    const again = await model.relevance(query, documents);
    expect(again.receipt.tokens.cached - receipt.tokens.cached).toBeGreaterThan(60);
    expect(again.receipt.flops.spent).toBeLessThan(receipt.flops.spent);
    expect(again.scores).toEqual(again.scores.map((score) => expect.closeTo(score, 4)));
  });

  test("finds a label by its likelihood after the text", async () => {
    const labels = ["positive", "negative"];
    const texts = ["I love this film, it is wonderful", "This was a terrible waste of time"];
    const { results } = await model.classify(texts, { labels });
    expect(results.map(({ label }) => label)).toEqual(labels);
    for (const { scores } of results) expect(scores["positive"]! + scores["negative"]!).toBeCloseTo(1, 9);
    const [{ context, continuations }] = labelRequests(model.language, texts, labels) as [never];
    expect(continuations).toEqual(labels.map((label) => model.language.tokenizer.encode(` ${label}`)));
    const logits = await logitsAfter(model, context);
    const first = (continuations as number[][]).map(([id]) => logits[id!]!);
    expect(results[0]!.scores["positive"]).toBeCloseTo(activate(first, "softmax")[0]!, 4);
  });

  test("special tokens in a document are text", () => {
    const count = (document: string) => relevanceRequests(model.language, query, [document])[0]!.context.length;
    expect(count("a<|im_end|>")).toBeGreaterThan(count("a") + 3);
  });
});

describe("a model without a chat template", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(TINY);
  });
  afterAll(() => model.dispose());

  test("ranks, and gives the same in any company, also with labels of several tokens", async () => {
    const { scores } = await model.relevance(query, documents);
    for (const [i, document] of documents.entries())
      expect((await model.relevance(query, [document])).scores[0]).toBeCloseTo(scores[i]!, 4);
    const labels = ["one and more", "other"];
    const { results } = await model.classify(documents, { labels });
    for (const [i, document] of documents.entries())
      expect((await model.classify([document], { labels })).results[0]!.scores["other"]).toBeCloseTo(
        results[i]!.scores["other"]!,
        4,
      );
  });

  test("runs beside answers in the rows of a scheduler, under one receipt a request", async () => {
    const alone = await model.relevance(query, documents);
    using other = await load(TINY);
    other.schedule({ rows: 2, queue: 4 });
    const [answer, ranks, more] = await Promise.all([
      other.complete("abc", { maxTokens: 20 }),
      other.relevance(query, documents, { key: "a" }),
      other.relevance(query, documents.slice(0, 1), { key: "b" }),
    ]);
    expect(answer.tokens).toEqual((await model.complete("abc", { maxTokens: 20 })).tokens);
    for (const [i, score] of ranks.scores.entries()) expect(score).toBeCloseTo(alone.scores[i]!, 4);
    expect(more.scores[0]).toBeCloseTo(alone.scores[0]!, 4);
    expect(ranks.receipt.work?.calls).toEqual({ [other.name]: { dense: 1, run: 1 } });
  });

  test("a long text is cut, a long query refused", async () => {
    const { context } = model.language.decoder.config;
    const [request] = relevanceRequests(model.language, "q", ["word ".repeat(5000)]);
    expect(request!.context.length).toBeLessThan(context);
    expect(request!.context.length).toBeGreaterThan(context - 20);
    const cut = await model.relevance("q", ["word ".repeat(5000)]);
    expect(cut.scores[0]).toBeGreaterThan(0);
    await expect(model.relevance("q ".repeat(3000), ["x"])).rejects.toThrow(
      /^the question about a text takes \d+ tokens/,
    );
  });

  test("a stopped run is billed for what ran", async () => {
    const stop = new AbortController();
    const bills: number[] = [];
    const onStopped = ({ flops }: { flops: { spent: number } }) => void bills.push(flops.spent);
    const many = Array.from({ length: 2000 }, (_, i) => `${i} ${documents[0]}`);
    const { engine } = model.language;
    const { runs } = engine;
    let begun = 0;
    const spied = vi.spyOn(engine, "runs").mockImplementation((...args) => {
      if (++begun === 3) stop.abort();
      return runs.apply(engine, args);
    });
    await expect(model.relevance(query, many, { signal: stop.signal, onStopped })).rejects.toThrow(/abort/);
    spied.mockRestore();
    expect(bills).toEqual([expect.any(Number)]);
    expect(bills[0]).toBeGreaterThan(0);
  });

  test.each([
    [undefined, /has no labels of its own; expected labels to choose among/],
    [[], /expected labels to choose from, none of them empty/],
    [["a", " "], /none of them empty/],
    [["a", "b", "a"], /the label "a" is given twice/],
  ])("the labels %j are refused", async (labels, message) => {
    await expect(model.classify(["x"], { ...(labels && { labels }) })).rejects.toThrow(message);
  });

  test("a pair of texts and no texts are refused", async () => {
    await expect(model.classify([["a", "b"]], { labels: ["a"] })).rejects.toThrow(
      /a pair of texts is for a classifier/,
    );
    await expect(model.relevance("q", [])).rejects.toThrow("no texts given; expected at least one");
  });
});

test("a text is cut to what fits, however many tokens its characters make", () => {
  const encode = (text: string) => [0, ...[...text].flatMap((c) => (c === "x" ? [1, 2, 3] : [4]))];
  expect(fitted("aaa", 4, encode)).toEqual([0, 4, 4, 4]);
  for (const text of ["x".repeat(100), `${"a".repeat(50)}${"x".repeat(50)}`, "xa".repeat(999)])
    expect(fitted(text, 20, encode).length).toBeLessThanOrEqual(20);
  expect(() => fitted("a", 0, encode)).toThrow(/takes 1 tokens, but there is room for only 0/);
});
