import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { exportSafetensors, type SafetensorsType } from "./export-safetensors.ts";
import { tokenizerOf } from "./tokenizer-of.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-safetensors-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const adapters = fileURLToPath(new URL("../../weights/adapter/fixtures", import.meta.url));
const newFolder = () => path.join(mkdtempSync(path.join(root, "to-")), "model");
const exported = async (file: string, type: SafetensorsType = "F32", adapter?: string): Promise<string> =>
  (await exportSafetensors(file, newFolder(), type, { adapter })).folder;

const tokens = [5, 9, 3, 17, 21, 8, 30, 2, 11, 7, 25, 14, 6, 19, 28, 4, 12, 33, 40, 1];

async function logitsOf(file: string, adapter?: string): Promise<Float32Array> {
  const lora = adapter === undefined ? undefined : openLora(adapter);
  const { decoder, weights } = await openDecoder(openCheckpoint(file), newFolder(), "f32", lora);
  using stack = await Stack.compile(decoder, weights, "whole");
  return await stack.run(tokens);
}

const gap = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - b[i]!)), 0);
};

/** Fixtures in both formats: transformers' own checkpoint, and llama.cpp's conversion of it. */
const converted = [
  ...["cohere2", "ernie4_5", "exaone4", "exaone4-whole", "gemma2", "gemma3", "glm4_moe", "glm4_moe-air", "gpt2"],
  ...["gpt_oss", "granite", "granitemoe", "llama-biased", "llama-heads", "llama-linear", "llama-llama3", "llama-yarn"],
  ...["mixtral", "olmo2", "olmoe", "phi3", "phi3-long", "qwen2", "qwen2_moe", "qwen3", "qwen3-heads", "qwen3_moe"],
  "smollm3",
];

describe.each(converted)("%s", (name) => {
  const gguf = path.join(fixtures, name, "model.gguf");

  test("the folder of a GGUF has its logits", async () => {
    expect(gap(await logitsOf(await exported(gguf)), await logitsOf(gguf))).toBeLessThan(1e-5);
  });
});

test.each(["llama-tiny.gguf", "llama-tiny-untied.gguf"])("%s: logits and tokens", async (name) => {
  const file = path.join(fixtures, name);
  const folder = await exported(file);
  expect(gap(await logitsOf(folder), await logitsOf(file))).toBeLessThan(1e-5);
  const text = "the cat in 1999, and then 'on' the other";
  const [own, before] = [folder, file].map((one) => tokenizerOf(openCheckpoint(one), 64)) as [Tokenizer, Tokenizer];
  expect(own.encode(text)).toEqual(before.encode(text));
  expect(own.stopIds).toEqual(before.stopIds);
});

test("a folder of safetensors is copied, with its other files", async () => {
  const source = path.join(fixtures, "qwen2");
  const folder = await exported(source);
  expect(await logitsOf(folder)).toEqual(await logitsOf(source));
  expect(readdirSync(folder)).toEqual(["config.json", "model.safetensors"]);
});

test.each([
  ["F16", 2e-2, "float16"],
  ["BF16", 2e-1, "bfloat16"],
] as const)("%s: half the bytes, near it", async (type, error, dtype) => {
  const source = path.join(fixtures, "llama-tiny.gguf");
  const [whole, half] = [await exported(source), await exported(source, type)];
  const sizeOf = (folder: string) => readFileSync(path.join(folder, "model.safetensors")).length;
  expect(sizeOf(half)).toBeLessThan(0.6 * sizeOf(whole));
  const distance = gap(await logitsOf(half), await logitsOf(whole));
  expect(distance).toBeGreaterThan(0);
  expect(distance).toBeLessThan(error);
  expect(JSON.parse(readFileSync(path.join(half, "config.json"), "utf8")).torch_dtype).toBe(dtype);
});

test.each([
  ["llama", "llama-biased"],
  ["llama", "llama-biased/model.gguf"],
  ["gpt2", "gpt2/model.gguf"],
  ["llama-gguf", "llama-tiny.gguf"],
])("adapter %s is added to the weights of %s", async (adapter, base) => {
  const [file, lora] = [path.join(fixtures, base), path.join(adapters, adapter)];
  const folder = await exported(file, "F32", lora);
  const expected = await logitsOf(file, lora);
  const unit = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(gap(await logitsOf(folder), expected) / unit).toBeLessThan(1e-5);
  expect(gap(await logitsOf(file), expected)).toBeGreaterThan(0.1);
});

describe("refused in one sentence, with nothing written", () => {
  const at = (name: string) => path.join(fixtures, name);
  test.each([
    ["an architecture", at("mamba/model.gguf"), undefined, /mamba\/model\.gguf: a GGUF of the architecture "mamba"/],
    ["a tied table", at("llama-tiny.gguf"), path.join(adapters, "llama-gguf-head"), /llama-gguf-head: .*token table/],
    ["another model's adapter", at("qwen2"), path.join(adapters, "llama"), /does not fit .*qwen2/],
    ["MXFP4", at("gpt_oss-mxfp4"), undefined, /is in MXFP4/],
  ])("%s", async (_, file, adapter, says) => {
    const folder = newFolder();
    await expect(exportSafetensors(file, folder, "F32", { adapter })).rejects.toThrow(says);
    expect(existsSync(folder)).toBe(false);
  });

  test("a folder with something in it", async () => {
    const folder = mkdtempSync(path.join(root, "full-"));
    writeFileSync(path.join(folder, "thesis.txt"), "");
    await expect(exportSafetensors(at("qwen2"), folder, "F32")).rejects.toThrow(/the folder is not empty/);
    expect(readdirSync(folder)).toEqual(["thesis.txt"]);
  });
});
