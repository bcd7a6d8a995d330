import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Block, type CodeBits, Graph, type QuantizedMatrix, type Tensor } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../checkpoint.ts";
import { writeSafetensors } from "../safetensors/safetensors.testing.ts";
import type { Matrix } from "../weight-source.ts";
import { weightsOf } from "./layout.testing.ts";
import type { Names } from "./names.ts";
import { type Quant, Weights } from "./weights.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "modicum-weights-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const at = (name: string) => path.join(folder, name);
const f32 = (shape: number[], first = 0) => ({
  dtype: "F32" as const,
  shape,
  data: new Uint8Array(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => first + i).buffer),
});

/** Tensors of two layers with one matrix and bias each, a fused and a transposed matrix, and gains stored minus one. */
const tensors = {
  "m.layers.0.w.weight": f32([2, 32]),
  "m.layers.0.w.bias": f32([2], 70),
  "m.layers.1.w.weight": f32([2, 32], 100),
  "m.layers.1.w.bias": f32([2], 80),
  "fused.weight": f32([6, 32]),
  "turned.weight": f32([32, 3]),
  "gain.weight": f32([4]),
  "vocabulary.weight": f32([5, 32]),
};

const names: Names = (canonical) => {
  const [, layer, kind] = /^blk\.(\d)\.w\.(.*)$/.exec(canonical) ?? [];
  if (layer !== undefined) return `m.layers.${layer}.w.${kind}`;
  if (canonical === "gain.weight") return { name: canonical, plus: 1 };
  if (canonical === "turned.weight") return { name: canonical, transposed: true };
  if (canonical === "middle.weight") return { name: "fused.weight", rows: [2, 5] };
  return canonical;
};

function write(contents: Parameters<typeof writeSafetensors>[0]): void {
  writeFileSync(at("config.json"), '{"model_type":"made"}');
  writeFileSync(at("model.safetensors"), writeSafetensors(contents));
}

function open(quant: Quant, contents: Parameters<typeof writeSafetensors>[0] = tensors, bits: CodeBits = 8): Weights {
  write(contents);
  return new Weights(openCheckpoint(folder), at("prepared"), quant, names, bits);
}

/** A model with all these tensors. */
const trace = (weights: Weights) => (): Graph => {
  const graph = new Graph();
  for (const layer of [0, 1]) {
    weights.matrix(graph, 32, { [`blk.${layer}.w.weight`]: 2 });
    weights.vector(graph, { [`blk.${layer}.w.bias`]: 2 });
  }
  weights.matrix(graph, 32, { "middle.weight": 3, "turned.weight": 3 });
  weights.vector(graph, { "gain.weight": 4 });
  weights.table(graph, "vocabulary.weight", [5, 32]);
  return graph;
};

function floats(weights: Weights, tensor: Tensor): number[] {
  const { data } = tensor.graph.constants.find((c) => c.tensor === tensor)!;
  if (data.kind !== "file") throw new Error("a weight lies in the prepared file");
  weights.commit();
  return [
    ...new Float32Array(new Uint8Array(readFileSync(data.path).subarray(data.offset, data.offset + data.bytes)).buffer),
  ];
}

const float32 = (m: Matrix): Tensor => {
  if (m.kind !== "float32") throw new Error("a matrix was to be float32");
  return m.weight;
};
const range = (from: number, length: number, step = 1) => Array.from({ length }, (_, i) => from + i * step);

test("float32: rows of a fused matrix and a turned one under each other, as [inputs, outputs]", () => {
  const weights = open("f32");
  const graph = new Graph();
  const weight = float32(weights.matrix(graph, 32, { "middle.weight": 3, "turned.weight": 3 }));
  expect(weight.shape).toEqual([32, 6]);
  const values = floats(weights, weight);
  // Input 0 has column 0 of rows 2, 3 and 4 of the first matrix, then row 0 of the second, which is [32, 3].
  expect(values.slice(0, 6)).toEqual([64, 96, 128, 0, 1, 2]);
  expect(values.slice(-6)).toEqual([95, 127, 159, 93, 94, 95]);
});

test("vectors end to end, gains with what they are stored without, tables as they are", () => {
  const weights = open("auto");
  const graph = new Graph();
  const bias = weights.vector(graph, { "blk.0.w.bias": 2, "blk.1.w.bias": 2 });
  const gain = weights.vector(graph, { "gain.weight": 4 });
  const table = weights.table(graph, "vocabulary.weight", [5, 32]);
  expect([bias.shape, gain.shape, table.shape]).toEqual([[4], [4], [5, 32]]);
  expect(floats(weights, bias)).toEqual([70, 71, 80, 81]);
  expect(floats(weights, gain)).toEqual([1, 2, 3, 4]);
  expect(floats(weights, table)).toEqual(range(0, 160));
});

const blocks = (m: Matrix): QuantizedMatrix => {
  if (m.kind !== "blocks") throw new Error("a matrix was to be in blocks");
  return m.matrix;
};

/** Reads a committed matrix's weights, row by row. */
function weightsIn({ bits, corrected, codes, scale, zero }: QuantizedMatrix): Float64Array {
  const [rows, , bytes] = codes.shape as number[];
  const of = (t: Tensor) => {
    const { data } = t.graph.constants.find((c) => c.tensor === t)!;
    if (data.kind !== "file") throw new Error("a weight lies in the prepared file");
    return new Uint8Array(readFileSync(data.path).subarray(data.offset, data.offset + data.bytes));
  };
  const numbers = (t: Tensor) => new Float32Array(of(t).buffer);
  const block = ((bytes! * 8) / bits) as Block;
  const form = { rows: rows!, block, bits, corrected };
  return weightsOf({ ...form, codes: of(codes), scale: numbers(scale), zero: of(zero) });
}

test.each<[Quant, number, CodeBits, CodeBits]>([
  ["auto", 0.5 / 127, 8, 8],
  ["q8", 0.5 / 127, 8, 8],
  ["q4", 0.5 / 15, 8, 8],
  ["auto", 0.5 / 127, 4, 8],
  ["q8", 0.5 / 127, 4, 8],
  ["q4", 0.5 / 15, 4, 4],
])(
  "%s: matrices are in blocks, each weight within %f of the largest; %i bits or more make %i",
  (quant, bound, fewest, bits) => {
    const weights = open(quant, tensors, fewest);
    expect(weights.inBlocks("turned.weight")).toBe(true);
    const matrix = blocks(weights.matrix(new Graph(), 32, { "turned.weight": 3 }));
    expect(matrix.bits).toBe(bits);
    // One block of weights and, with 4 bits, one block of the correction.
    const stored = bits === 4 ? 2 : 1;
    expect([matrix.codes.shape, matrix.scale.shape, matrix.zero.shape]).toEqual([
      [3, stored, 4 * bits],
      [3, stored],
      [3, 1],
    ]);
    weights.commit();
    for (const [i, w] of weightsIn(matrix).entries()) {
      const [row, column] = [Math.floor(i / 32), i % 32];
      expect(Math.abs(w - (3 * column + row))).toBeLessThanOrEqual(bound * (93 + row) * 1.001);
    }
  },
);

test("codes of 4 and of 8 bits lie side by side, neither is taken for the other, and their weights are the same but for the minima", () => {
  const load = (fewest: CodeBits) => {
    const weights = new Weights(openCheckpoint(folder), at("prepared"), "q4", names, fewest);
    const matrix = blocks(weights.matrix(new Graph(), 32, { "middle.weight": 3, "turned.weight": 3 }));
    weights.commit();
    return { bits: matrix.bits, weights: weightsIn(matrix) };
  };
  write(tensors);
  const [narrow, wide] = [load(4), load(8)];
  expect([narrow.bits, wide.bits, load(4).bits, load(8).bits]).toEqual([4, 8, 4, 8]);
  expect(narrow.weights).toHaveLength(6 * 32);
  const largest = Math.max(...wide.weights.map(Math.abs));
  for (const [i, w] of narrow.weights.entries()) expect(Math.abs(w - wide.weights[i]!)).toBeLessThan(largest / 120);
  expect(load(4).weights).toEqual(narrow.weights);
});

test("q4: the vectors of tokens keep 8 bits, exactly what q8 makes of them", () => {
  const table = (quant: Quant) => {
    const weights = open(quant, { ...tensors, "token_embd.weight": f32([5, 32]) }, 4);
    const matrix = blocks(weights.matrix(new Graph(), 32, { "token_embd.weight": 5 }));
    weights.commit();
    return { bits: matrix.bits, weights: weightsIn(matrix) };
  };
  expect(table("q4")).toEqual(table("q8"));
});

test("a width that is no multiple of 32 stays float32", () => {
  const weights = open("q8", { ...tensors, odd: f32([2, 33]) });
  expect(weights.inBlocks("odd")).toBe(false);
  expect(weights.matrix(new Graph(), 33, { odd: 2 }).kind).toBe("float32");
});

function review(contents: Parameters<typeof writeSafetensors>[0]): void {
  const weights = open("q8", contents);
  weights.review(trace(weights));
}

test("a sound model passes its review, of which nothing is written", () => {
  expect(() => review(tensors)).not.toThrow();
  expect(() => review({ ...tensors, "another.head.weight": f32([1]), "m.layers.0.buffer": f32([1]) })).not.toThrow();
  expect(existsSync(at("prepared"))).toBe(false);
});

test("all that is missing, of another shape or unexpected is found before anything is read: three and a count", () => {
  const one = { ...tensors, "gain.weight": f32([5]) };
  expect(() => review(one)).toThrow(new UserError(`${folder}: tensor "gain.weight" has shape [5], expected [4]`));
  const { "m.layers.0.w.bias": _, "fused.weight": __, ...rest } = tensors;
  const many = {
    ...rest,
    "turned.weight": f32([3, 32]),
    "m.layers.2.w.bias": f32([2]),
    "m.layers.1.w.scale": f32([1]),
  };
  expect(() => review(many)).toThrow(
    new UserError(
      `${folder}: tensor "m.layers.0.w.bias" is missing; tensor "fused.weight" is missing; tensor "turned.weight" has shape [3, 32], expected [32, 3]; and 2 more that do not fit the configuration`,
    ),
  );
});

test("a fused tensor with too few rows says how many there must be", () => {
  expect(() => review({ ...tensors, "fused.weight": f32([4, 32]) })).toThrow(
    new UserError(`${folder}: tensor "fused.weight" has shape [4, 32], expected [at least 5, 32]`),
  );
});

test("a model beyond the memory is refused, prepared or not", () => {
  const weights = open("f32");
  vi.spyOn(process, "constrainedMemory").mockReturnValue(1000);
  const sentence = "its weights take 0.0 GB of memory, but this machine has 0.0 GB";
  expect(() => weights.review(trace(weights))).toThrow(sentence);
  trace(weights)();
  weights.commit();
  const again = new Weights(openCheckpoint(folder), at("prepared"), "f32", names);
  expect(() => again.review(trace(again))).toThrow(sentence);
});

test("what is reviewed is what is then prepared, to the byte", () => {
  const kinds = [
    ["f32", 8],
    ["q8", 8],
    ["q4", 4],
  ] as const;
  for (const [quant, fewest] of kinds) {
    const weights = open(quant, tensors, fewest);
    const { path: file } = trace(weights)()
      .constants.map((c) => c.data)
      .find((data) => data.kind === "file")!;
    weights.commit();
    const index = readFileSync(file.replace(/bin$/, "json"), "utf8");
    const bytes = [...index.matchAll(/"bytes":(\d+)/g)].reduce((total, [, n]) => total + Number(n), 0);
    const fresh = new Weights(openCheckpoint(folder), at("other"), quant, names, fewest);
    vi.spyOn(process, "constrainedMemory").mockReturnValue(bytes);
    expect(() => fresh.review(trace(fresh))).not.toThrow();
    vi.spyOn(process, "constrainedMemory").mockReturnValue(bytes - 1);
    expect(() => fresh.review(trace(fresh))).toThrow("of memory");
  }
});

test("a file that changed, be its size and time the same, is never taken for what was prepared of it", () => {
  const gain = (weights: Weights) => floats(weights, weights.vector(new Graph(), { "gain.weight": 4 }));
  write(tensors);
  utimesSync(at("model.safetensors"), 1000, 1000);
  const weights = () => new Weights(openCheckpoint(folder), at("prepared"), "auto", names);
  expect(gain(weights())).toEqual([1, 2, 3, 4]);
  write({ ...tensors, "gain.weight": f32([4], 10) });
  utimesSync(at("model.safetensors"), 1000, 1000);
  expect(gain(weights())).toEqual([11, 12, 13, 14]);
});

test("a form that there is not is one sentence, for whom no compiler tells", () => {
  expect(() => open("q5" as Quant)).toThrow(new UserError('quant is "q5", expected one of auto, f32, q8, q4, q8r', 2));
});
