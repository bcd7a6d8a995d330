import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Field } from "./fields.ts";
import { openGguf, readFloats } from "./index.ts";
import { plannedGguf, type WritableGguf, writeGguf } from "./write.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

const values = Float32Array.from({ length: 64 }, (_, i) => i / 64);
const gguf: WritableGguf = {
  metadata: new Map<string, Field>([
    ["general.architecture", ["string", "llama"]],
    ["llama.block_count", ["uint32", 3]],
    ["llama.attention.layer_norm_rms_epsilon", ["float32", 1e-5]],
    ["tokenizer.ggml.add_bos_token", ["bool", true]],
    ["tokenizer.ggml.tokens", ["array", "string", ["a", "é", ""]]],
    ["tokenizer.ggml.token_type", ["array", "int32", [1, 3, 5]]],
  ]),
  tensors: new Map([
    ["output_norm.weight", { shape: [5], type: "F32", values: () => values.subarray(0, 5) }],
    ["blk.0.attn_q.weight", { shape: [2, 32], type: "Q8_0", values: () => values }],
    ["blk.0.ffn_up_exps.weight", { shape: [2, 4, 8], type: "F16", values: () => values }],
  ]),
};

test("what is written is read, and is what the plan says", async () => {
  const file = path.join(folder, "model.gguf");
  const written: number[] = [];
  await writeGguf(file, gguf, (bytes) => written.push(bytes));
  const read = openGguf(file);
  expect(read.metadata.integer("llama.block_count")).toBe(3);
  expect(read.metadata.boolean("tokenizer.ggml.add_bos_token")).toBe(true);
  expect(read.metadata.strings("tokenizer.ggml.tokens")).toEqual(["a", "é", ""]);
  expect([...read.tensors.values()].map(({ name, shape, type }) => [name, shape, type])).toEqual([
    ["output_norm.weight", [5], "F32"],
    ["blk.0.attn_q.weight", [2, 32], "Q8_0"],
    ["blk.0.ffn_up_exps.weight", [2, 4, 8], "F16"],
  ]);
  expect(readFloats(read.tensors.get("blk.0.ffn_up_exps.weight")!)).toEqual(values);
  expect(readFloats(read.tensors.get("output_norm.weight")!)).toEqual(values.slice(0, 5));
  expect(written.at(-1)).toBe(read.size);
  const planned = plannedGguf(file, gguf);
  expect(planned.tensors).toEqual(read.tensors);
  expect(planned.size).toBe(read.size);
});

test("a tensor of another length leaves no file", async () => {
  const file = path.join(folder, "broken.gguf");
  const tensors = new Map([["a.weight", { shape: [7], type: "F32" as const, values: () => values }]]);
  await expect(writeGguf(file, { ...gguf, tensors })).rejects.toThrow(/a\.weight has 256 bytes/);
  expect(readdirSync(folder)).toEqual(["model.gguf"]);
});
