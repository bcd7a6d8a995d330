import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { asGguf } from "../../models/convert/to-gguf.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { type Field, fieldOf } from "../../weights/gguf/fields.ts";
import { openGguf } from "../../weights/gguf/index.ts";
import type { WrittenType } from "../../weights/gguf/quantize.ts";
import { writeGguf } from "../../weights/gguf/write.ts";
import { exportGguf, exportGgufAdapter } from "./export-gguf.ts";
import { exportSafetensors } from "./export-safetensors.ts";
import { llamaLogits, meanKl, type Rows } from "./llama.testing.ts";
import { tokenizerOf } from "./tokenizer-of.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-gguf-export-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

const fixture = (...names: string[]) =>
  fileURLToPath(new URL(["../../models/fixtures", ...names].join("/"), import.meta.url));
const adapters = (name: string) => fileURLToPath(new URL(`../../weights/adapter/fixtures/${name}`, import.meta.url));
const newFolder = () => path.join(mkdtempSync(path.join(root, "to-")), "model");

async function exported(file: string, type: WrittenType = "F32"): Promise<string> {
  const { folder, files } = await exportGguf({ name: "tiny", path: file }, newFolder(), type);
  return path.join(folder, files.at(-1)!);
}

const inRows = (values: Float32Array, count: number): Rows =>
  Array.from({ length: count }, (_, i) =>
    values.subarray((i * values.length) / count, ((i + 1) * values.length) / count),
  );

async function ownLogits(file: string, tokens: readonly number[]): Promise<Rows> {
  const { decoder, weights } = await openDecoder(openCheckpoint(file), newFolder(), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  return inRows(await stack.run(tokens), tokens.length);
}

/** Tokens, and the logits after each token from transformers or PEFT. */
function referenceOf(file: string): { tokens: number[]; logits: Rows } {
  const { tokens, logits } = JSON.parse(readFileSync(file, "utf8")) as { tokens: number[]; logits: string };
  const values = new Float32Array(new Uint8Array(Buffer.from(logits, "base64")).buffer);
  return { tokens, logits: inRows(values, tokens.length) };
}

/** Undefined on a platform without node-llama-cpp's library. */
const llama = await llamaLogits(fixture("llama-tiny.gguf"), [1]);
if (!llama) console.warn("GGUFs in llama.cpp: not tested, since node-llama-cpp has no library here");

const names = [
  ...["cohere2", "gemma2", "gemma3", "glm4_moe", "glm4_moe-air", "gpt2", "gpt_oss", "granite", "granitemoe"],
  ...["llama-biased", "llama-heads", "llama-linear", "llama-llama3", "llama-yarn", "mixtral", "olmo2", "qwen2"],
  ...["qwen2_moe", "qwen3", "qwen3-heads", "qwen3_moe", "smollm3"],
];

describe.each(names)("%s", (name) => {
  test.skipIf(!llama)("safetensors as a GGUF: llama.cpp computes what transformers does", async () => {
    const { folder } = await exportSafetensors(fixture(name, "model.gguf"), newFolder(), "F32");
    const { tokens, logits } = referenceOf(fixture(name, "reference.json"));
    expect(meanKl(logits, (await llamaLogits(await exported(folder), tokens))!)).toBeLessThan(1e-5);
  });
});

describe.each(["F16", "Q8_0", "Q4_0", "Q4_1"] as const)("%s", (type) => {
  test.skipIf(!llama)("llama.cpp's distributions are near ours of the same file", async () => {
    const tokens = Array.from({ length: 48 }, (_, i) => (7 * i + 3) % 60);
    const file = await exported(fixture("llama-tiny.gguf"), type);
    const types = new Set([...openGguf(file).tensors.values()].map((tensor) => tensor.type));
    expect(types).toEqual(new Set(["F32", type, ...(type.startsWith("Q4") ? ["Q8_0"] : [])]));
    expect(meanKl(await ownLogits(file, tokens), (await llamaLogits(file, tokens))!)).toBeLessThan(0.005);
  });
});

/** A GGUF with further metadata, in a separate folder. */
async function withMetadata(file: string, more: readonly [string, Field][]): Promise<string> {
  const gguf = await asGguf(openCheckpoint(file), "tiny", "F32");
  const out = path.join(mkdtempSync(path.join(root, "more-")), "tiny.gguf");
  await writeGguf(out, { ...gguf, metadata: new Map([...gguf.metadata, ...more]) });
  return out;
}

test("a GGUF keeps its metadata but for its quantisation's, and the same weights in float32", async () => {
  const source = await withMetadata(fixture("llama-tiny.gguf"), [
    ["quantize.imatrix.file", ["string", "calibration.dat"]],
    ["general.license", ["string", "mit"]],
  ]);
  const [before, after] = [openGguf(source), openGguf(await exported(source))];
  expect([...before.metadata.keys()]).toContain("quantize.imatrix.file");
  expect([...after.metadata.keys()]).not.toContain("quantize.imatrix.file");
  const own = /^(quantize\.|general\.(file_type|quantization_version)$)/;
  for (const key of before.metadata.keys())
    if (!own.test(key)) expect(fieldOf(after.metadata, key), key).toEqual(fieldOf(before.metadata, key));
  expect([...after.tensors.keys()].toSorted()).toEqual([...before.tensors.keys()].toSorted());
  const tokens = [1, 5, 9, 20, 31];
  expect(await ownLogits(after.path, tokens)).toEqual(await ownLogits(source, tokens));
});

test("a folder's tokenizer reads texts as before, and its Modelfile has the stops", async () => {
  const source = fixture("llama-tiny.gguf");
  const { folder } = await exportSafetensors(source, newFolder(), "F32");
  const file = await exported(folder);
  const [own, before] = [file, source].map((one) => tokenizerOf(openCheckpoint(one), 64));
  const text = "the cat in 1999, and then 'on' the other";
  expect(own!.encode(text)).toEqual(before!.encode(text));
  expect(own!.stopIds).toEqual(before!.stopIds);
  const lines = readFileSync(path.join(path.dirname(file), "Modelfile"), "utf8").split("\n");
  expect(lines[0]).toBe("FROM ./tiny-F32.gguf");
  expect(lines).toContain('PARAMETER stop "<|im_end|>"');
});

describe.each([
  ["llama-gguf", "llama-tiny.gguf"],
  ["llama", "llama-biased/model.gguf"],
  ["gpt2", "gpt2/model.gguf"],
])("adapter %s beside %s", (adapter, base) => {
  test.skipIf(!llama)("llama.cpp computes what PEFT does", async () => {
    const { tokens, logits } = referenceOf(path.join(adapters(adapter), "reference.json"));
    const { folder, files } = await exportGgufAdapter({ path: fixture(base) }, adapters(adapter), newFolder());
    expect(files).toEqual(["Modelfile", `${adapter}-lora.gguf`]);
    const lora = path.join(folder, files.at(-1)!);
    const own = (await llamaLogits(fixture(base), tokens, lora))!;
    expect(meanKl(logits, own)).toBeLessThan(1e-4);
    expect(meanKl(logits, (await llamaLogits(fixture(base), tokens))!)).toBeGreaterThan(0.01);
  });
});

test("a DoRA is refused for llama.cpp", async () => {
  const start = exportGgufAdapter({ path: fixture("llama-biased") }, adapters("llama-dora"), newFolder());
  await expect(start).rejects.toThrow(/llama-dora: this adapter is a DoRA, .* so llama.cpp's adapters cannot hold it;/);
});

test("an adapter is the same file for a base in safetensors", async () => {
  const of = async (base: string) => {
    const { folder, files } = await exportGgufAdapter({ path: fixture(base) }, adapters("llama"), newFolder());
    return readFileSync(path.join(folder, files.at(-1)!));
  };
  expect(await of("llama-biased")).toEqual(await of("llama-biased/model.gguf"));
});

test("an adapter's Modelfile names its base: a GGUF by its path, and the one to put beside it if there is none", async () => {
  const linesFor = async (base: string, adapter: string) => {
    const { folder } = await exportGgufAdapter({ path: fixture(base) }, adapters(adapter), newFolder());
    return readFileSync(path.join(folder, "Modelfile"), "utf8").split("\n");
  };
  expect(await linesFor("llama-biased", "llama")).toEqual([
    "# Put the base model's GGUF into this folder, as BASE.gguf.",
    ...["FROM ./BASE.gguf", "ADAPTER ./llama-lora.gguf", ""],
  ]);
  const beside = await linesFor("llama-tiny.gguf", "llama-gguf");
  expect(beside.slice(0, 2)).toEqual([`FROM ${fixture("llama-tiny.gguf")}`, "ADAPTER ./llama-gguf-lora.gguf"]);
  expect(beside).toContain('PARAMETER stop "<|im_end|>"');
});

describe("refused in one sentence, with nothing written", () => {
  const model = (name: string, type: WrittenType = "F16") => {
    const folder = newFolder();
    return { folder, run: exportGguf({ name: "tiny", path: fixture(name) }, folder, type) };
  };
  const adapter = (name: string, base: string) => {
    const folder = newFolder();
    return { folder, run: exportGgufAdapter({ path: fixture(base) }, adapters(name), folder) };
  };
  test.each([
    ["an architecture", () => model("lfm2"), /lfm2: a model of the architecture "lfm2" cannot be converted to GGUF/],
    ["a folder without a tokenizer", () => model("qwen2"), /tokenizer\.json: there is no such file/],
    ["an adapter of another base", () => adapter("gpt2", "llama-tiny.gguf"), /gpt2: the adapter does not fit/],
    ["a tied head", () => adapter("llama-gguf-head", "llama-tiny.gguf"), /changes the token table/],
  ])("%s", async (_, build, says) => {
    const { folder, run } = build();
    await expect(run).rejects.toThrow(says);
    expect(existsSync(folder)).toBe(false);
  });

  test("a folder with something in it", async () => {
    const before = readdirSync(root);
    const run = exportGguf({ name: "tiny", path: fixture("llama-tiny.gguf") }, root, "F16");
    await expect(run).rejects.toThrow(/the folder is not empty/);
    expect(readdirSync(root)).toEqual(before);
  });
});
