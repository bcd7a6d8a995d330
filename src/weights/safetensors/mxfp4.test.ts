import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { gptOss } from "../../models/architectures/gpt-oss.ts";
import { openCheckpoint } from "../checkpoint.ts";
import { Part } from "../prepared/part.ts";
import { type TensorSpec, writeSafetensors } from "./safetensors.testing.ts";

/** transformers' results: tools/reference/mxfp4.py. */
const fixture = path.join(import.meta.dirname, "../../models/fixtures/gpt_oss-mxfp4");
const reference = JSON.parse(readFileSync(path.join(fixture, "reference.json"), "utf8")) as {
  sha256: Readonly<Record<string, string>>;
};

const folder = mkdtempSync(path.join(tmpdir(), "modicum-mxfp4-"));
afterAll(() => rmSync(folder, { recursive: true }));

const checkpoint = openCheckpoint(fixture);

describe.each(Object.entries(reference.sha256))("%s", (name, digest) => {
  const tensor = checkpoint.tensors.get(name)!;

  test("is one tensor, whose numbers equal transformers' to the last bit", () => {
    expect([tensor.type, tensor.shape]).toEqual(["MXFP4", [3, name.includes("gate_up") ? 64 : 32, 32]]);
    const values = checkpoint.floats(tensor);
    expect(createHash("sha256").update(values).digest("hex")).toBe(digest);
    expect([...checkpoint.floats(tensor, [1, 3])]).toEqual([...values.subarray(values.length / 3)]);
  });
});

/** Computes a matrix's values from the kernels' codes. */
function numbersOf(part: Part): Float32Array {
  const { codes, scale, zero, block } = part.blocks(8);
  return Float32Array.from(codes, (code, i) => {
    const at = Math.floor(i / block);
    return scale[at]! * (code - zero[at]!);
  });
}

test("experts' matrices have the same numbers in both formats, as floats and as codes", () => {
  const gguf = openCheckpoint(path.join(fixture, "model.gguf"));
  for (const layer of [0, 1])
    for (const part of ["gate", "up", "down"])
      for (const expert of [0, 1, 2]) {
        const name = `blk.${layer}.ffn_${part}_exps.${expert}/3.weight`;
        const [own, other] = [checkpoint, gguf].map((c) => new Part(c, gptOss.tensors(c), name, [32, 32])) as [
          Part,
          Part,
        ];
        expect([own.problem, other.problem]).toEqual([undefined, undefined]);
        expect(own.storedForm).toEqual(other.storedForm);
        const values = own.floats();
        expect(values, name).toEqual(other.floats());
        expect(numbersOf(own), name).toEqual(values);
        expect(numbersOf(other), name).toEqual(values);
        expect(own.floats(3, 5)).toEqual(values.slice(3 * 32, 5 * 32));
      }
});

/** Writes a folder with the fixture's configuration and these tensors. */
function withTensors(tensors: Record<string, TensorSpec>): string {
  const to = mkdtempSync(path.join(folder, "model-"));
  writeFileSync(path.join(to, "config.json"), readFileSync(path.join(fixture, "config.json")));
  writeFileSync(path.join(to, "model.safetensors"), writeSafetensors(tensors));
  return to;
}

test.each<[string, TensorSpec, TensorSpec, string]>([
  [
    "another number of bytes in a block",
    { dtype: "U8", shape: [2, 4, 8] },
    { dtype: "U8", shape: [2, 4] },
    'tensor "a_blocks" is U8 [2, 4, 8] beside scales U8 [2, 4], expected U8 [2, 4, 16] beside U8',
  ],
  [
    "another number of blocks",
    { dtype: "U8", shape: [2, 3, 16] },
    { dtype: "U8", shape: [2, 4] },
    'tensor "a_blocks" is U8 [2, 3, 16] beside scales U8 [2, 4], expected U8 [2, 4, 16] beside U8',
  ],
  [
    "floats for scales",
    { dtype: "U8", shape: [2, 4, 16] },
    { dtype: "F16", shape: [2, 4] },
    'tensor "a_blocks" is U8 [2, 4, 16] beside scales F16 [2, 4], expected U8 [2, 4, 16] beside U8',
  ],
])("%s: refused with both tensors' shapes", (_, blocks, scales, sentence) => {
  expect(() => openCheckpoint(withTensors({ a_blocks: blocks, a_scales: scales }))).toThrow(sentence);
});

test("blocks without scales stay what they are", () => {
  const { tensors } = openCheckpoint(withTensors({ a_blocks: { dtype: "U8", shape: [2, 4, 16] } }));
  expect([...tensors.keys()]).toEqual(["a_blocks"]);
});
