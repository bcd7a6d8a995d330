import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { type Checkpoint, openCheckpoint } from "../checkpoint.ts";
import { onnxModel, type TestNode, type TestTensor } from "./onnx.testing.ts";

const at = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "modicum-onnx-"));
afterAll(() => rmSync(home, { recursive: true }));
let folders = 0;

/** Opens a model's folder whose ONNX file has these bytes. */
function opened(bytes: Uint8Array, config: string = at("../../models/fixtures/bert/config.json")): Checkpoint {
  const folder = mkdtempSync(path.join(home, `${folders++}-`));
  copyFileSync(config, path.join(folder, "config.json"));
  writeFileSync(path.join(folder, "model.onnx"), bytes);
  return openCheckpoint(folder);
}

const exported = (file: string, model: string) =>
  opened(readFileSync(at(`fixtures/${file}.onnx`)), at(`../../models/fixtures/${model}/config.json`));
const floatsOf = (checkpoint: Checkpoint, name: string) => checkpoint.floats(checkpoint.tensors.get(name)!);

/** transformers 5 renames some tensors of DINOv2's checkpoints. */
const inDinov2 = (name: string) =>
  name
    .replace(
      /attention\.attention\.(q)uery|attention\.attention\.(k)ey|attention\.attention\.(v)alue/,
      (_, q, k, v) => `attention.${q ?? k ?? v}_proj`,
    )
    .replace("attention.output.dense", "attention.o_proj");

/** Exports of tools/reference/onnx_exports.py. */
describe.each([
  { file: "bert", model: "bert", nameOf: (name: string) => name, unread: [] as string[] },
  { file: "dinov2", model: "dinov2", nameOf: inDinov2, unread: ["dinov2.embeddings.mask_token"] },
])("an export of $model", ({ file, model, nameOf, unread }) => {
  const whole = openCheckpoint(at(`../../models/fixtures/${model}`));
  const checkpoint = exported(file, model);

  test("has the module's tensors by their names, shapes and values", () => {
    const names = [...whole.tensors.keys()].filter((name) => !unread.includes(name));
    expect([...checkpoint.tensors.keys()].toSorted()).toEqual(names.map(nameOf).toSorted());
    for (const name of names) {
      const stored = checkpoint.tensors.get(nameOf(name))!;
      expect(stored.shape, name).toEqual(whole.tensors.get(name)!.shape);
      expect(checkpoint.floats(stored), name).toEqual(floatsOf(whole, name));
    }
    expect(checkpoint.architecture).toBe(model);
  });

  test("gives rows of a tensor, also of one that is stored the other way round", () => {
    for (const name of names(checkpoint)) {
      const [rows = 0] = checkpoint.tensors.get(name)!.shape;
      const [all, some] = [floatsOf(checkpoint, name), checkpoint.floats(checkpoint.tensors.get(name)!, [1, 3])];
      if (rows > 2) expect(some, name).toEqual(all.slice(all.length / rows, (3 * all.length) / rows));
    }
  });
});

const names = ({ tensors }: Checkpoint) => [...tensors.keys()];

test("an export with matrices in bytes is the same within a step of their scale", () => {
  const [whole, checkpoint] = [openCheckpoint(at("../../models/fixtures/bert")), exported("bert-bytes", "bert")];
  expect(names(checkpoint).toSorted()).toEqual(names(whole).toSorted());
  let rounded = 0;
  for (const [name, { shape }] of whole.tensors) {
    const [expected, got] = [floatsOf(whole, name), floatsOf(checkpoint, name)];
    expect(checkpoint.tensors.get(name)!.shape, name).toEqual(shape);
    const off = Math.max(...got.map((value, i) => Math.abs(value - expected[i]!)));
    expect(off, name).toBeLessThanOrEqual(shape.length === 2 ? Math.max(...expected.map(Math.abs)) / 127 : 0);
    rounded += Number(off > 0);
  }
  // Three tables, six matrices in each of two layers, the pooler and the classifier.
  expect(rounded).toBe(17);
});

/** A model with two inputs and three outputs. */
const BYTES = Int8Array.of(1, 2, 3, -4, 5, -6);
const matrix: TestTensor = { name: "onnx::MatMul_1", type: 3, shape: [2, 3], raw: BYTES };
const scales: TestTensor = { name: "s", type: 1, shape: [3], raw: Float32Array.of(1, 10, 100) };
const zeros: TestTensor = { name: "z", type: 3, shape: [3], elements: [1, 0, -1] };
const EXPECTED = Float32Array.of(0, -5, 20, 50, 400, -500);

test.each<[name: string, nodes: TestNode[], tensors: TestTensor[]]>([
  [
    "named by its node",
    [
      { op: "DequantizeLinear", inputs: [matrix.name, "s", "z"], output: "w", attribute: ["axis", 1] },
      { op: "MatMul", name: "/a/b/MatMul", inputs: ["x", "w"], output: "y" },
    ],
    [matrix, scales, zeros],
  ],
  [
    "named by its bias",
    [
      { op: "DequantizeLinear", inputs: [matrix.name, "s", "z"], output: "w" },
      { op: "MatMul", name: "MatMul_7", inputs: ["x", "w"], output: "y" },
      { op: "Add", inputs: ["a.b.bias", "y"], output: "out" },
    ],
    [matrix, scales, zeros, { name: "a.b.bias", type: 1, shape: [1], raw: Float32Array.of(1) }],
  ],
])("a matrix behind DequantizeLinear, %s", (_, nodes, tensors) => {
  const checkpoint = opened(onnxModel(nodes, tensors));
  expect(checkpoint.tensors.get("a.b.weight")!.shape).toEqual([3, 2]);
  expect(floatsOf(checkpoint, "a.b.weight")).toEqual(EXPECTED);
});

test.each([
  [1, [2, 3], [1, 2, 3, -4, 5, -6]],
  [0, [3, 2], [1, -4, 2, 5, 3, -6]],
])("a matrix of Gemm with transB = %i", (transB, shape, values) => {
  const node: TestNode = { op: "Gemm", inputs: ["x", "a.weight"], output: "y", attribute: ["transB", transB] };
  const checkpoint = opened(onnxModel([node], [{ ...matrix, name: "a.weight" }]));
  expect(checkpoint.tensors.get("a.weight")!.shape).toEqual(shape);
  expect(floatsOf(checkpoint, "a.weight")).toEqual(Float32Array.from(values));
});

describe("one sentence for", () => {
  const sound = onnxModel([], [{ ...matrix, name: "a.weight" }]);
  test.each<[what: string, bytes: Uint8Array, message: RegExp]>([
    [
      "a file that is cut short",
      sound.subarray(0, sound.length - 3),
      /model\.onnx: this is not a complete ONNX model \(/,
    ],
    ["another file", new TextEncoder().encode("GGUF, not at all"), /model\.onnx: this is not a complete ONNX model \(/],
    ["an empty file", new Uint8Array(), /model\.onnx: expected an ONNX model with one graph, got 0$/],
    ["two graphs", onnxModel([], [], 2), /model\.onnx: expected an ONNX model with one graph, got 2$/],
    [
      "weights in a file elsewhere",
      onnxModel([], [{ ...matrix, elsewhere: { location: "../secret", length: 6 } }]),
      /model\.onnx: "\.\.\/secret" is not the name of a weights file in the same folder$/,
    ],
  ])("%s", (_, bytes, message) => {
    expect(() => opened(bytes)).toThrow(message);
  });

  test.each<[what: string, tensor: TestTensor, message: RegExp]>([
    [
      "too few elements",
      { ...matrix, shape: [2, 4] },
      /tensor "a\.weight" of shape \[2, 4\] has 6 elements, expected 8$/,
    ],
    ["texts", { ...matrix, type: 8 }, /tensor "a\.weight" is of an unsupported type$/],
  ])("a tensor of %s", (_, tensor, message) => {
    const checkpoint = opened(onnxModel([], [{ ...tensor, name: "a.weight" }]));
    expect(() => floatsOf(checkpoint, "a.weight")).toThrow(message);
  });
});

test("a matrix with scales for another axis is refused", () => {
  const node: TestNode = { op: "DequantizeLinear", inputs: ["a.weight", "s"], output: "w", attribute: ["axis", 0] };
  const checkpoint = opened(onnxModel([node], [{ ...matrix, name: "a.weight" }, scales]));
  expect(() => floatsOf(checkpoint, "a.weight")).toThrow(
    /tensor "a\.weight" has 3 scales, expected one scale, or one per index of its axis 0$/,
  );
});

test("weights in a file beside the model", () => {
  const elsewhere = { location: "model.onnx_data", offset: 2, length: 6 };
  const { raw: _, ...header } = matrix;
  const checkpoint = opened(onnxModel([], [{ ...header, name: "a.weight", elsewhere }]));
  const data = path.join(checkpoint.path, "model.onnx_data");
  expect(checkpoint.files).toContain(data);
  expect(() => floatsOf(checkpoint, "a.weight")).toThrow(/model\.onnx_data: there is no such file/);
  writeFileSync(data, Int8Array.of(9, 9, ...BYTES));
  expect(floatsOf(checkpoint, "a.weight")).toEqual(Float32Array.from(BYTES));
});

test("damaged bytes give weights or one sentence, nothing else", () => {
  const sound = readFileSync(at("fixtures/bert-bytes.onnx"));
  const random = seededRandom(5);
  let refused = 0;
  for (let round = 0; round < 300; round++) {
    const bytes = new Uint8Array(sound);
    for (let i = 0; i < 3; i++) bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
    try {
      const { tensors, floats } = opened(bytes);
      for (const tensor of tensors.values()) floats(tensor);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).toMatch(/^[^\n]*model\.onnx[^\n]*$/);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(10);
});

test("a folder with safetensors beside the export is read by them", () => {
  const folder = mkdtempSync(path.join(home, "both-"));
  for (const file of ["config.json", "model.safetensors"])
    copyFileSync(at(`../../models/fixtures/bert/${file}`), path.join(folder, file));
  writeFileSync(path.join(folder, "model.onnx"), "no model");
  expect(openCheckpoint(folder).tensors.size).toBe(41);
});
