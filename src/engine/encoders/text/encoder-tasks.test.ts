import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model, type Reading, type Receipt } from "../../../index.ts";
import { receiptSchema } from "../../../ledger/receipt.ts";
import { BATCH_TOKENS } from "./encoder-batches.ts";
import { RowRunner } from "./encoder-runner.ts";

/** From transformers and sentence-transformers: tools/reference/encoder_tasks.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const taskOf = <T>(name: string): T => JSON.parse(readFileSync(path.join(fixture(name), "task.json"), "utf8"));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-tasks-"));
vi.stubEnv("MODICUM_HOME", folder);
afterAll(() => rmSync(folder, { recursive: true }));

/** A copy of a fixture with a file's JSON changed. */
function changed(name: string, file: string, change: Readonly<Record<string, unknown>> | unknown[]): string {
  const copy = mkdtempSync(path.join(folder, "model-"));
  cpSync(fixture(name), copy, { recursive: true });
  const target = path.join(copy, file);
  const json = Array.isArray(change) ? change : { ...JSON.parse(readFileSync(target, "utf8")), ...change };
  writeFileSync(target, JSON.stringify(json));
  return copy;
}

const error = (message: string | RegExp) =>
  expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) });

/** Loads a model for one test. */
async function using<T>(model: string, use: (model: Model) => Promise<T>): Promise<T> {
  const loaded = await load(model);
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

function close(got: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(got.length).toBe(expected.length);
  const gaps = Array.from(got, (v, i) => Math.abs(v - expected[i]!));
  expect(Math.max(...gaps)).toBeLessThan(1e-4);
}

describe("a classifier", () => {
  interface Task {
    readings: Reading[];
    scores: Record<string, number>[];
    logits: number[][];
  }
  const { readings, scores, logits } = taskOf<Task>("classifier");
  const labels = ["negative", "neutral", "positive"];
  let model: Model;
  beforeAll(async () => {
    model = await load(fixture("classifier"));
  });
  afterAll(() => model?.dispose());

  test("scores texts and pairs as transformers' pipeline does, long ones cut", async () => {
    const { results, receipt } = await model.classify(readings);
    for (const [i, { label, scores: own }] of results.entries()) {
      expect(Object.keys(own)).toEqual(labels);
      close(
        Object.values(own),
        labels.map((l) => scores[i]![l]!),
      );
      expect(own[label]).toBe(Math.max(...Object.values(own)));
    }
    expect(receiptSchema.parse(receipt)).toEqual(receipt);
    expect(receipt.flops).toMatchObject({ overhead: 0, saved: 0 });
    expect(receipt.flops.spent).toBe(receipt.flops.dense);
    expect(receipt.flops.dense).toBeGreaterThan(0);
    expect(receipt.ms.load).toBeGreaterThan(0);
  });

  test("chooses among some of its labels", async () => {
    const { results } = await model.classify(readings, { labels: ["positive", "negative"] });
    const [neg, , pos] = logits[0]!;
    const share = 1 / (1 + Math.exp(neg! - pos!));
    expect(Object.keys(results[0]!.scores)).toEqual(["positive", "negative"]);
    close(Object.values(results[0]!.scores), [share, 1 - share]);
  });

  test("refuses labels that it does not have, and what it is not made for", async () => {
    await expect(model.classify(["x"], { labels: ["good"] })).rejects.toThrow(
      error(/no label "good", expected some of negative, neutral, positive/),
    );
    await expect(model.classify(["x"], { labels: [] })).rejects.toThrow(error(/no labels .* expected some of/));
    await expect(model.embed(["x"])).rejects.toThrow(error(/is a classifier/));
    await expect(model.relevance("x", ["y"])).rejects.toThrow(error(/has 3 labels, expected a cross-encoder/));
    await expect(model.complete("x")).rejects.toThrow(error(/is an encoder, .* expected a model that generates/));
  });

  test("several labels may hold, or scores are the numbers themselves, where its config says so", async () => {
    const several = changed("classifier", "config.json", { problem_type: "multi_label_classification" });
    const sigmoid = logits.map((row) => row.map((x) => 1 / (1 + Math.exp(-x))));
    const numbers = changed("classifier", "config.json", { problem_type: "regression" });
    for (const [copy, rows] of [
      [several, sigmoid],
      [numbers, logits],
    ] as const) {
      const { results } = await using(copy, (m) => m.classify(readings));
      for (const [i, { scores }] of results.entries()) close(Object.values(scores), rows[i]!);
    }
  });

  test("no label at all is refused", async () => {
    await expect(load(changed("classifier", "config.json", { id2label: {} }))).rejects.toThrow(
      error(/config\.json: "id2label" is empty, expected at least one label/),
    );
  });

  test("heads of other tasks are refused", async () => {
    const copy = changed("classifier", "config.json", { architectures: ["BertForTokenClassification"] });
    await expect(load(copy)).rejects.toThrow(error(/config\.json: "BertForTokenClassification" has a head/));
  });
});

describe("a cross-encoder", () => {
  const task = taskOf<{ query: string; texts: string[]; scores: number[]; logits: number[] }>("cross-encoder");

  test("scores a query's texts as sentence-transformers does", async () => {
    const { scores } = await using(fixture("cross-encoder"), (m) => m.relevance(task.query, task.texts));
    close(scores, task.scores);
  });

  test.each([
    { sbert_ce_default_activation_function: "torch.nn.modules.linear.Identity" },
    { sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity" } },
  ])("gives its logits where %j", async (change) => {
    const copy = changed("cross-encoder", "config.json", change);
    const { scores } = await using(copy, (m) => m.relevance(task.query, task.texts));
    close(scores, task.logits);
  });

  test("other activations are refused", async () => {
    const change = { sbert_ce_default_activation_function: "torch.nn.modules.activation.Tanh" };
    await expect(load(changed("cross-encoder", "config.json", change))).rejects.toThrow(
      error(/Tanh" .* Identity or Sig/),
    );
  });
});

describe("sentence-transformers' files", () => {
  const task = taskOf<{ texts: string[]; embeddings: number[][] }>("sentences");
  const own = fixture("sentences");

  test("CLS pooling, no normalising, a limit and a default prompt as they say", async () => {
    const { embeddings, receipt } = await using(own, (m) => m.embed(task.texts));
    for (const [i, e] of embeddings.entries()) close(e, task.embeddings[i]!);
    expect(receipt.tokens.prompt).toBeLessThanOrEqual(12 * task.texts.length);
  });

  test("no texts have no embeddings, and an empty receipt", async () => {
    const { embeddings, receipt } = await using(own, (m) => m.embed([]));
    expect([embeddings.length, receipt.flops.dense, receipt.tokens.prompt]).toEqual([0, 0, 0]);
  });

  test("a stopped call throws the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(using(own, (m) => m.embed(["x"], { signal }))).rejects.toThrow("enough");
  });

  test("stopped between batches, it is billed for those that ran", async () => {
    const bills: Receipt[] = [];
    const stop = new AbortController();
    const long = task.texts.join(" ");
    await using(own, async (m) => {
      const { tokens } = (await m.embed([long])).receipt;
      const batch = Array<string>(Math.floor(BATCH_TOKENS / tokens.prompt)).fill(long);
      const first = await m.embed(batch);
      const { run } = RowRunner.prototype;
      vi.spyOn(RowRunner.prototype, "run").mockImplementationOnce(function (this: RowRunner, ...batch) {
        stop.abort();
        return run.apply(this, batch);
      });
      const onStopped = (receipt: Receipt) => void bills.push(receipt);
      const stopped = m.embed([...batch, ...batch], { signal: stop.signal, onStopped });
      await expect(stopped).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
      expect(bills.map(({ tokens, flops }) => ({ tokens, flops }))).toEqual([
        { tokens: first.receipt.tokens, flops: first.receipt.flops },
      ]);
    });
  });

  test("calls side by side do not disturb each other", async () => {
    const all = await using(own, (m) => Promise.all(task.texts.map((text) => m.embed([text]))));
    for (const [i, { embeddings }] of all.entries()) close(embeddings[0]!, task.embeddings[i]!);
  });

  const modules = JSON.parse(readFileSync(path.join(own, "modules.json"), "utf8")) as object[];
  test.each([
    [
      "modules.json",
      [...modules, { type: "sentence_transformers.models.LSTM", path: "2_LSTM" }],
      /"sentence_transformers\.models\.LSTM" is not supported/,
    ],
    [
      "modules.json",
      [{ type: "sentence_transformers.models.Pooling", path: "../x" }],
      /modules\.json: "0\.path": expected a folder's name/,
    ],
    [
      "modules.json",
      [{ type: "sentence_transformers.models.Pooling", path: "9_Pooling" }],
      /9_Pooling.config\.json: there is no such file/,
    ],
    [
      "1_Pooling/config.json",
      { pooling_mode: "max" },
      /config\.json: token vectors are pooled by max, expected mean, cls or lasttoken/,
    ],
    ["1_Pooling/config.json", { pooling_mode: ["cls", "mean"] }, /pooled by cls and mean/],
    ["1_Pooling/config.json", { include_prompt: false }, /"include_prompt" is false/],
    [
      "config_sentence_transformers.json",
      { default_prompt_name: "other" },
      /the default prompt, "other", does not exist/,
    ],
    ["sentence_bert_config.json", { max_seq_length: "many" }, /sentence_bert_config\.json: "max_seq_length": /],
  ])("%s %j is refused", async (file, change, message) => {
    await expect(load(changed("sentences", file, change))).rejects.toThrow(error(message));
  });

  test("what is no JSON is named", async () => {
    const copy = changed("sentences", "modules.json", []);
    writeFileSync(path.join(copy, "modules.json"), "[");
    await expect(load(copy)).rejects.toThrow(error(/modules\.json: this is not JSON$/));
  });

  test("lowercased before the tokenizer, and shorter, where an older file says so", async () => {
    const copy = changed("sentences", "sentence_bert_config.json", { max_seq_length: 4, do_lower_case: true });
    const [loud, quiet] = (await using(copy, (m) => m.embed(["GOOD soup, cold bread", "good SOUP and more"])))
      .embeddings;
    expect(loud).toEqual(quiet);
  });

  test("without them, the mean of the token vectors", async () => {
    const copy = changed("sentences", "modules.json", []);
    rmSync(path.join(copy, "modules.json"));
    rmSync(path.join(copy, "config_sentence_transformers.json"));
    const { embeddings } = await using(copy, (m) => m.embed(task.texts));
    expect(embeddings.map((e) => e.length)).toEqual(task.texts.map(() => 32));
    expect(Math.abs(embeddings[0]![0]! - task.embeddings[0]![0]!)).toBeGreaterThan(1e-2);
  });
});

test("a decoder does not embed, and an encoder takes no savings", async () => {
  await expect(load(fixture("sentences"), { save: ["xattention"] })).rejects.toThrow(
    error(/is an encoder, which has no seams for savings: "xattention" cannot act/),
  );
  const tiny = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
  await using(tiny, async (m) => {
    await expect(m.embed(["x"])).rejects.toThrow(error(/generates text; expected an encoder, such as minilm/));
  });
});
