import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { prepare } from "../programs/programs.ts";
import { openSeq2Seq } from "../registry.ts";
import { traceDecoded, traceSource } from "../seq2seq/seq2seq-graphs.ts";
import { t5 } from "./t5.ts";

type Json = Record<string, unknown>;
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const configOf = (name: string): Json => JSON.parse(readFileSync(path.join(fixture(name), "config.json"), "utf8"));

const configure = (name: string, changes: Json = {}) =>
  t5.configure({ kind: "huggingface", path: "config.json", config: { ...configOf(name), ...changes } });

describe("a configuration that does not run is refused by name", () => {
  test.each<[Json, string]>([
    [{ feed_forward_proj: "gated-silu" }, '"feed_forward_proj" is "gated-silu", expected "relu" or "gated-gelu"'],
    [{ feed_forward_proj: 1 }, '"feed_forward_proj" is 1'],
    [{ d_model: null }, '"d_model" is missing, expected a number'],
    [{ d_kv: 12 }, "the model's headSize: Invalid number: must be a multiple of 8, got 12"],
    [{ relative_attention_num_buckets: 7 }, "the model's buckets: "],
    [{ relative_attention_max_distance: 0 }, "the model's reach: "],
    [{ relative_attention_max_distance: 6 }, "is 6, expected more than half of its 12 buckets"],
    [{ decoder_start_token_id: 60 }, '"decoder_start_token_id" is 60, expected a token below 60'],
    [{ vocab_size: 1e9 }, "the model's vocabulary: Too big"],
    [{ tie_word_embeddings: "no" }, '"tie_word_embeddings" is "no", expected true or false'],
  ])("%j", (changes, sentence) => {
    const attempt = () => configure("t5", changes);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });
});

test("what a configuration leaves out is as T5 1.0 has it", () => {
  const absent = [
    "n_positions",
    "relative_attention_max_distance",
    "relative_attention_num_buckets",
    "num_decoder_layers",
  ];
  const plain = configure("t5", Object.fromEntries([...absent, "tie_word_embeddings"].map((key) => [key, null])));
  expect(plain).toMatchObject({ context: 512, reach: 128, buckets: 32, layers: 2, encoderLayers: 2 });
  expect(plain.logitScale).toBeCloseTo(1 / Math.sqrt(32), 12);
});

test("a head's scale follows the tie, or transformers 5's key for it", () => {
  expect(configure("t5-gated").logitScale).toBe(1);
  expect(configure("t5-gated", { tie_word_embeddings: true, scale_decoder_outputs: false }).logitScale).toBe(1);
});

test("a GGUF's sizes equal its folder's; its tensors tell form and tie", async () => {
  for (const name of ["t5-gated", "t5-plain"]) {
    const { config } = (await openSeq2Seq(openCheckpoint(path.join(fixture(name), "model.gguf")), "unused", "f32"))
      .model;
    const { epsilon, ...rest } = configure(name);
    expect(config).toMatchObject(rest);
    expect(config.epsilon).toBeCloseTo(epsilon, 9);
  }
});

describe("weights that do not fit the configuration", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-t5-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each<[Json, RegExp]>([
    [{ num_layers: 1 }, /tensor "encoder\.block\.1\..*" is unexpected/],
    [{ num_decoder_layers: 4 }, /tensor "decoder\.block\.3\..*" is missing/],
    [{ d_ff: 48 }, /DenseReluDense\.wi\.weight" .*40/],
  ])("%j", async (changes, sentence) => {
    const copy = mkdtempSync(path.join(folder, "model-"));
    cpSync(fixture("t5"), copy, { recursive: true });
    writeFileSync(path.join(copy, "config.json"), JSON.stringify({ ...configOf("t5"), ...changes }));
    const { model, weights } = await openSeq2Seq(openCheckpoint(copy), path.join(copy, "prepared"), "f32");
    const attempt = () => prepare(weights, () => [traceSource(model), traceDecoded(model)]);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });
});
