import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptSchema } from "../src/ledger/receipt.ts";
import { measuredNotice } from "../src/pipelines/qzero/measured.ts";
import { home, resolveModel } from "../src/weights/sources/index.ts";
import { inProcess, modicum, root } from "./program.testing.ts";

/** A folder over the machine's own models, with separate prepared weights and a separate ledger. */
const own = mkdtempSync(join(tmpdir(), "modicum-encode-"));
beforeAll(async () => {
  await resolveModel("minilm");
  await resolveModel("ms-marco");
  symlinkSync(join(home(), "models"), join(own, "models"));
});
afterAll(() => rmSync(own, { recursive: true }));

const fixture = (name: string) => join(root, "src/engine/fixtures", name);
const call = (words: string[], input?: string) =>
  modicum(words, { env: { MODICUM_HOME: own }, ...(input !== undefined && { input }) });

/** Without a separate process. */
const ours = (words: string[]) => inProcess(words, own);

describe("embed", () => {
  test("--json: MiniLM's vectors of the texts and a receipt, which is stored", async () => {
    const { status, stdout, stderr } = await call(["embed", "--json", "A man is eating food.", "A dog barks."]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const { embeddings, receipt } = JSON.parse(stdout) as { embeddings: number[][]; receipt: unknown };
    expect(embeddings.map((e) => e.length)).toEqual([384, 384]);
    expect(embeddings[0]![0]).toBeCloseTo(0.0332416, 5);
    const { receipts } = JSON.parse((await ours(["receipts", "--json", "--limit", "1"])).stdout);
    expect(receipts).toEqual([receiptSchema.parse(receipt)]);
  });

  test("without texts, a vector for each line of stdin; an empty one is refused", async () => {
    const words = ["embed", "--model", fixture("sentences")];
    const lines = (await call(words, "good\r\nsoup\n")).stdout.trimEnd().split("\n");
    const vectors = (await ours([...words, "good", "soup"])).stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines).toEqual(vectors);
    for (const line of lines) expect(JSON.parse(line)).toHaveLength(32);
    const { status, stderr } = await call(words, "good\n\nsoup\n");
    expect([status, stderr]).toEqual([2, expect.stringContaining("text 2 of 3 is empty")]);
  });

  test("--prompt: the model's prompt of that name precedes each text", async () => {
    const words = ["embed", "--model", fixture("qwen3-embedding")];
    const prompted = (await ours([...words, "--prompt", "query", "good"])).stdout;
    expect(prompted).toBe((await ours([...words, "Good soup: good"])).stdout);
    const { status, stderr } = await ours([...words, "--prompt", "title", "good"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('has no prompt "title", expected one of')]);
    const image = await ours(["embed", "--model", join(root, "src/models/fixtures/clip"), "--prompt", "query", "good"]);
    expect([image.status, image.stderr]).toEqual([2, expect.stringContaining("expected a model that embeds texts")]);
  });

  test("texts that are too long are cut, with one warning", async () => {
    const long = "word ".repeat(700);
    const { status, stdout, stderr } = await ours(["embed", "--model", fixture("sentences"), "good", long, long]);
    expect([status, stdout.trimEnd().split("\n").length]).toEqual([0, 3]);
    expect(stderr).toMatch(
      /^warning: text 2 has \d+ tokens, but the model reads at most \d+; longer texts are cut at their end\n$/,
    );
  });

  test.each([
    [["embed"], 2, /^error: nothing to embed.*\nusage: .*\n$/],
    [
      ["embed", "--model", join(root, "src/models/fixtures/llama-tiny.gguf"), "x"],
      1,
      /^error: .*generates text; expected an encoder.*\n$/,
    ],
  ])("%j is refused in one sentence", async (words, status, message) => {
    const ended = await call(words);
    expect(ended).toMatchObject({ status, stdout: "" });
    expect(ended.stderr).toMatch(message);
  });
});

describe("classify", () => {
  const words = ["classify", "--model", fixture("classifier")];

  test("prints the labels, the likeliest first; stdin is the text if there is no argument", async () => {
    const { status, stdout, stderr } = await call([...words, "The food was good"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const rows = stdout.trimEnd().split("\n").map((line) => line.split(/ +/)); // biome-ignore format: one line
    expect(rows.map(([label]) => label).toSorted()).toEqual(["negative", "neutral", "positive"]);
    const scores = rows.map(([, score]) => Number(score));
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect((await call(words, "The food was good\n")).stdout).toBe(stdout);
  });

  test("--json, among some labels", async () => {
    const { stdout } = await ours([...words, "--json", "--labels", "neutral,negative", "The food was good"]);
    const { label, scores, receipt } = JSON.parse(stdout);
    expect(label).toBe("negative");
    expect(Object.keys(scores)).toEqual(["neutral", "negative"]);
    expect(receiptSchema.parse(receipt).tokens).toMatchObject({ cached: 0, completion: 0 });
  });

  test("by the likelihood of any labels if the model generates", async () => {
    const model = join(root, "src/models/fixtures/llama-tiny.gguf");
    const { stdout } = await ours(["classify", "--model", model, "--json", "--labels", "good,bad", "fine"]);
    const { label, scores, receipt } = JSON.parse(stdout);
    expect([Object.keys(scores), scores.good + scores.bad]).toEqual([["good", "bad"], expect.closeTo(1, 9)]);
    expect(scores[label]).toBe(Math.max(scores.good, scores.bad));
    expect(receiptSchema.parse(receipt).tokens).toMatchObject({ completion: 0 });
  });

  test("an unknown label, and a missing model, are usage errors", async () => {
    const strange = await ours([...words, "--labels", "good", "x"]);
    expect(strange.status).toBe(2);
    expect(strange.stderr).toMatch(/^error: the model has no label "good"/);
    const none = await ours(["classify", "x"]);
    expect(none.status).toBe(2);
    expect(none.stderr).toMatch(/--model/);
  });
});

describe("classify --via qzero", () => {
  const file = join(own, "found.jsonl");
  beforeAll(() => writeFileSync(file, '{"title":"Zun","categories":["Ice hockey players","Players"]}\n'));
  const words = (...more: string[]) =>
    ["classify", "--via", "qzero", "--model", fixture("sentences"), "--labels", "sport,world=politics|law", ...more]; // biome-ignore format: one line

  test("--json: the label, scores, and how they were reached, by documents of a file", async () => {
    const { status, stdout, stderr } = await ours(
      words("--evidence", file, "--when", "always", "--mode", "replace", "--explain", "--json", "Zun is back"),
    );
    expect(status).toBe(0);
    expect(stderr).toBe(`${measuredNotice("encoder")}\n`);
    const { label, scores, retrieved, explanation, receipt } = JSON.parse(stdout);
    expect([Object.keys(scores), retrieved]).toEqual([["sport", "world"], true]);
    expect(["sport", "world"]).toContain(label);
    expect(explanation.categories).toEqual([
      { name: "Ice hockey players", count: 1 },
      { name: "Players", count: 1 },
    ]);
    expect(receiptSchema.parse(receipt).recipe).toEqual(["qzero:mode=replace,when=always"]);
  });

  test("prints labels, documents and categories", async () => {
    const { stdout } = await call(words("--evidence", file, "--when", "always", "--explain"), "Zun is back\n");
    const blocks = stdout.split("\n\n");
    expect(blocks[0]).toMatch(/^(sport|world) +-?\d\.\d{4}\n(sport|world) +-?\d\.\d{4}$/);
    expect(blocks.slice(1)).toEqual([
      "documents\n  Zun",
      expect.stringMatching(/^categories\n.*1 {2}Ice hockey players/),
    ]);
  });

  test.each([
    [["--mode", "replace", "x"], "--via qzero needs --index NAME, or --evidence FILE"],
    [["--evidence", "f", "--index", "i", "x"], "--evidence replaces --index; expected one of them, got both"],
    [["--index", "i", "--top-k", "0", "x"], "--top-k: must be at least 1 (got 0)"],
    [["--index", "i", "--labels", "a,a", "x"], "there is no index i"],
  ])("%j is refused", async (more, sentence) => {
    const { status, stderr } = await ours(words(...more));
    expect(status).toBeGreaterThan(0);
    expect(stderr).toContain(sentence);
  });

  test("an index without categories is refused by name", async () => {
    const bare = join(own, "bare.jsonl");
    writeFileSync(bare, '{"id":"a","text":"Zun is back"}\n');
    await ours(["index", "create", "bare", "--embedding", "none"]);
    await ours(["index", "add", "bare", bare]);
    const { status, stderr } = await ours(words("--index", "bare", "Zun is back"));
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("no document of the index bare has categories, which qzero reads"),
    ]);
  });

  test("its flags do nothing elsewhere", async () => {
    const { status, stderr } = await ours(["classify", "--model", fixture("classifier"), "--top-k", "3", "x"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("--top-k needs --via qzero")]);
  });
});

describe("rerank", () => {
  const file = join(own, "documents.jsonl");
  const lines = [{ id: "pie", text: "Bake an apple pie." }, { text: "Tokyo is the capital of Japan." }];
  beforeAll(() => writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("\n")));
  const words = ["rerank", "--query", "Which city is the capital of Japan?"];

  test("prints scores and ids, the most relevant first; a document without an id is named by its index", async () => {
    const { status, stdout, stderr } = await call([...words, file]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    // A cross-encoder's own scores, which are not cosines.
    expect(stdout).toMatch(/^\d\.\d{4} {4}1\n-\d+\.\d{4} {2}pie\n$/);
  });

  test("--json, by a cross-encoder and by a model that generates", async () => {
    for (const model of [fixture("cross-encoder"), join(root, "src/models/fixtures/llama-tiny.gguf")]) {
      const { results, receipt } = JSON.parse((await ours([...words, "--json", "--model", model, file])).stdout);
      expect(results.map((r: { id: unknown }) => r.id).toSorted()).toEqual([1, "pie"]);
      for (const { index, id, relevance_score: score } of results) {
        expect(index).toBe(id === "pie" ? 0 : 1);
        expect(score).toBeGreaterThan(0);
      }
      expect(receiptSchema.parse(receipt).tokens.completion).toBe(0);
    }
  });

  test.each([
    [["rerank", file], 2, /--query/],
    [["rerank", "--query", " ", file], 2, /^error: --query is empty, expected a text/],
    [
      [...words, "--model", "nowhere.gguf+first", "--presort", "xyz", file],
      2,
      /^error: first: presort: [^\n]*\nusage:/,
    ],
    [[...words, "/no/documents.jsonl"], 1, /documents\.jsonl/],
    [[...words, fixture("classifier/config.json")], 1, /config\.json/],
  ])("%j is refused in one sentence", async (call_, expected, message) => {
    const { status, stdout, stderr } = await ours(call_);
    expect({ status, stdout }).toEqual({ status: expected, stdout: "" });
    expect(stderr).toMatch(message);
  });
});
