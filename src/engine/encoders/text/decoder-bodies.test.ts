import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { load } from "../../../library/load.ts";
import { openDecoder } from "../../../models/registry.ts";
import { type Checkpoint, openCheckpoint } from "../../../weights/checkpoint.ts";
import { EncoderModel } from "./encoder-model.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-bodies-"));
vi.stubEnv("MODICUM_HOME", home);
afterAll(() => rmSync(home, { recursive: true }));

/** Vectors from sentence-transformers: tools/reference/embedders.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
interface Task {
  readonly texts: readonly string[];
  /** Keyed by the prompt's name; "" means no prompt. */
  readonly vectors: Readonly<Record<string, readonly (readonly number[])[]>>;
}
const taskOf = (name: string): Task => JSON.parse(readFileSync(path.join(fixture(name), "task.json"), "utf8"));

/** A copy of a fixture with fields of a JSON file changed. */
function changed(name: string, file: string, change: Readonly<Record<string, unknown>>): string {
  const copy = mkdtempSync(path.join(home, "model-"));
  cpSync(fixture(name), copy, { recursive: true });
  const target = path.join(copy, file);
  writeFileSync(target, JSON.stringify({ ...JSON.parse(readFileSync(target, "utf8")), ...change }));
  return copy;
}

/**
 * The greatest difference of a prompt's vectors from the reference; `truncate`: the maximum number of tokens per text.
 */
async function furthest(model: string, { texts, vectors }: Task, prompt: string, truncate?: number): Promise<number> {
  using loaded = await load(model);
  const { embeddings } = await loaded.embed([...texts], { ...(prompt !== "" && { prompt }), truncate });
  const expected = vectors[prompt]!;
  return Math.max(...embeddings.flatMap((vector, i) => [...vector].map((x, c) => Math.abs(x - expected[i]![c]!))));
}

describe.each(["embeddinggemma", "qwen3-embedding"])("%s", (name) => {
  test.each(["", "query", "document"])("embeds as sentence-transformers does, with the prompt %j", async (prompt) => {
    expect(await furthest(fixture(name), taskOf(name), prompt)).toBeLessThan(1e-4);
  });

  test("a text has the vector that it has alone", async () => {
    const { texts } = taskOf(name);
    using model = await load(fixture(name));
    const { embeddings } = await model.embed([...texts]);
    for (const [i, text] of texts.entries()) {
      const [alone] = (await model.embed([text])).embeddings;
      expect(Math.max(...alone!.map((x, c) => Math.abs(x - embeddings[i]![c]!)))).toBeLessThan(1e-5);
    }
  });

  test("ranks by the prompts of queries and documents", async () => {
    const { texts, vectors } = taskOf(name);
    using model = await load(fixture(name));
    const { scores } = await model.relevance(texts[0]!, [...texts]);
    const query = vectors["query"]![0]!;
    for (const [i, score] of scores.entries())
      expect(score).toBeCloseTo(
        vectors["document"]![i]!.reduce((sum, x, c) => sum + x * query[c]!, 0),
        4,
      );
  });

  test("another order of one tensor shows", async () => {
    const { texts, vectors } = taskOf(name);
    const checkpoint = openCheckpoint(fixture(name));
    const turned: Checkpoint = {
      ...checkpoint,
      variant: "turned",
      floats: (tensor, rows) => {
        const values = checkpoint.floats(tensor, rows);
        return tensor.name.endsWith("layers.1.self_attn.k_proj.weight") ? values.reverse() : values;
      },
    };
    const source = { name, path: fixture(name), source: "file", bytes: 0 };
    using model = await EncoderModel.load(source, "auto", { checkpoint: turned, named: new Map(), records: new Map() });
    const { answers } = await model.embed(texts);
    const off = answers.flatMap((vector, i) => [...vector].map((x, c) => Math.abs(x - vectors[""]![i]![c]!)));
    expect(Math.max(...off)).toBeGreaterThan(1e-3);
  });

  test("an unknown prompt is refused with the names of the others", async () => {
    using model = await load(fixture(name));
    await expect(model.embed(["soup"], { prompt: "title" })).rejects.toThrow(
      /has no prompt "title", expected one of (query, document|document, query)$/,
    );
  });
});

test("a GGUF that names its pooling embeds, without prompts", async () => {
  const file = path.join(fixture("qwen3-embedding"), "model.gguf");
  // The folder's files cut texts at 40 tokens; a GGUF does not record this.
  expect(await furthest(file, taskOf("qwen3-embedding"), "", 40)).toBeLessThan(1e-4);
  using model = await load(file);
  await expect(model.embed(["soup"], { prompt: "query" })).rejects.toThrow(
    /has no prompts; expected none, got "query"$/,
  );
});

test.each(["", "query", "document", "STS"])(
  "a GGUF of EmbeddingGemma embeds as sentence-transformers does, with the prompt %j",
  async (prompt) => {
    const file = path.join(fixture("embeddinggemma-gguf"), "model.gguf");
    expect(await furthest(file, taskOf("embeddinggemma-gguf"), prompt, 40)).toBeLessThan(1e-4);
  },
);

test("a GGUF of EmbeddingGemma without its linear layers has the vector before them, and does not generate", async () => {
  const file = path.join(fixture("embeddinggemma-gguf"), "model.gguf");
  const checkpoint = openCheckpoint(file);
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => !name.startsWith("dense_")));
  const source = { name: file, path: file, source: "file", bytes: 0 };
  using model = await EncoderModel.load(source, "auto", {
    ...{ checkpoint: { ...checkpoint, tensors, variant: "bare" }, named: new Map(), records: new Map() },
  });
  expect((await model.embed(["soup"])).answers[0]).toHaveLength(32);
  await expect(openDecoder(checkpoint, home)).rejects.toThrow("it embeds texts and cannot generate");
});

test.each([
  ["embeddinggemma", "config.json", { sliding_window: 4 }],
  ["embeddinggemma", "config.json", { use_bidirectional_attention: false }],
  ["embeddinggemma", "config.json", { query_pre_attn_scalar: 16 }],
  ["embeddinggemma", "2_Dense/config.json", { activation_function: "torch.nn.modules.activation.Tanh" }],
  ["embeddinggemma", "1_Pooling/config.json", { pooling_mode: "lasttoken" }],
  ["qwen3-embedding", "1_Pooling/config.json", { pooling_mode: "mean" }],
  ["qwen3-embedding", "config.json", { rms_norm_eps: 0.1 }],
])("%s: %s with %j embeds otherwise", async (name, file, change) => {
  expect(await furthest(changed(name, file, change), taskOf(name), "")).toBeGreaterThan(1e-3);
});

test("a decoder whose tokens see those after them does not generate", async () => {
  const checkpoint = openCheckpoint(fixture("embeddinggemma"));
  await expect(openDecoder(checkpoint, home)).rejects.toThrow(
    /config\.json: its tokens see later tokens; it embeds texts and cannot generate$/,
  );
});

test.each([
  ["mamba2", "recurrent layers"],
  ["gemma2", "capped scores"],
])("%s that is to embed is refused", async (name, what) => {
  const copy = mkdtempSync(path.join(home, "model-"));
  cpSync(fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url)), copy, { recursive: true });
  writeFileSync(path.join(copy, "modules.json"), "[]");
  const source = { name, path: copy, source: "file", bytes: 0 };
  await expect(EncoderModel.load(source)).rejects.toThrow(`an embedding model with ${what} is not supported`);
});
