import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ByteForm, type ByteMatrix, byteLinear, Graph } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { multipliesBytes } from "../../runtime/processor.ts";
import { Program } from "../../runtime/program.ts";
import { seededRandom } from "../../util/random.ts";
import { openCheckpoint } from "../checkpoint.ts";
import { writeSafetensors } from "../safetensors/safetensors.testing.ts";
import { ByteWeights } from "./byte-weights.ts";
import { rotated } from "./hadamard.ts";
import { identity } from "./names.ts";

/** Other x86 processors add pairs of products in 16 bits, which overflow with these codes. */
const exact = test.skipIf(!multipliesBytes());

const [TOKENS, INPUTS, OUTPUTS, ODD] = [40, 96, 64, 40];
const noise = (seed: number, length: number) => {
  const random = seededRandom(seed);
  return Float32Array.from({ length }, () => random() + random() - random() - random());
};
/** In every row, one channel is about 40 times as large as the others, and just as important. */
const [OUTLIER, SIZE] = [37, 40];
const weight = noise(1, OUTPUTS * INPUTS).map((v, i) => (i % INPUTS === OUTLIER ? v / SIZE : v));
const x = noise(2, TOKENS * INPUTS).map((v, i) => (i % INPUTS === OUTLIER ? SIZE * Math.sign(v) : v));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "modicum-bytes-"));
  const f32 = (shape: number[], { buffer }: Float32Array<ArrayBuffer>) => ({
    ...{ dtype: "F32" as const, shape },
    data: new Uint8Array(buffer),
  });
  writeFileSync(path.join(folder, "config.json"), '{"model_type":"made"}');
  const tensors = { "w.weight": f32([OUTPUTS, INPUTS], weight), "odd.weight": f32([8, ODD], noise(3, 8 * ODD)) };
  writeFileSync(path.join(folder, "model.safetensors"), writeSafetensors(tensors));
});
afterEach(() => rmSync(folder, { recursive: true }));

const home = () => path.join(folder, "prepared");
const open = (form: ByteForm) => new ByteWeights(openCheckpoint(folder), home(), form, identity);
const form = (rotation: ByteForm["rotation"]): ByteForm => ({ digits: 1, rotation });

/** Multiplies x by the matrix in byte form; `change` may remove a part of that form. */
async function product(form: ByteForm, change = (matrix: ByteMatrix): ByteMatrix => matrix): Promise<Float32Array> {
  const graph = new Graph();
  const weights = open(form);
  const matrix = weights.matrix(graph, INPUTS, { "w.weight": OUTPUTS });
  if (matrix.kind !== "bytes") throw new Error("the matrix is not in bytes");
  weights.commit();
  graph.output("y", byteLinear(graph.input("x", "f32", [1, TOKENS, INPUTS]), change(matrix.matrix)));
  using program = await Program.compile(graph);
  using input = new Buffer("f32", x.length);
  using output = new Buffer("f32", TOKENS * OUTPUTS);
  new Float32Array(input.memory).set(x);
  await program.bind({ x: input.view([1, TOKENS, INPUTS]), y: output.view([1, TOKENS, OUTPUTS]) }).run();
  return new Float32Array(output.memory).slice();
}

/** The norm of the difference from the float64 product, relative to that product's norm. */
function errorOf(y: Float32Array): number {
  const expected = Float64Array.from({ length: TOKENS * OUTPUTS }, (_, at) => {
    const [token, output] = [Math.floor(at / OUTPUTS), at % OUTPUTS];
    let sum = 0;
    for (let i = 0; i < INPUTS; i++) sum += x[token * INPUTS + i]! * weight[output * INPUTS + i]!;
    return sum;
  });
  return Math.hypot(...y.map((v, i) => v - expected[i]!)) / Math.hypot(...expected);
}

describe("the rotation of values", () => {
  test("is the Hadamard matrix, block by block, and its own inverse", () => {
    const half = Math.SQRT1_2;
    expect([...rotated(Float32Array.of(1, 0, 0, 1), 2)]).toEqual([half, half, half, -half].map(Math.fround));
    const twice = rotated(rotated(weight, 32), 32);
    expect(Math.max(...twice.map((v, i) => Math.abs(v - weight[i]!)))).toBeLessThan(1e-6);
    expect([...rotated(weight, 1)]).toEqual([...weight]);
  });
});

describe("a product in bytes", () => {
  exact(
    "of inputs with an outlier is three times as exact if both sides are rotated, nine times in squares",
    async () => {
      const [plain, turned] = [errorOf(await product(form(0))), errorOf(await product(form(32)))];
      expect(plain).toBeLessThan(0.3);
      expect(turned).toBeLessThan(plain / 2.8);
      expect(turned).toBeGreaterThan(0);
      expect(errorOf(await product({ digits: 2, rotation: 32 }))).toBeLessThan(turned / 50);
    },
  );

  exact("is wrong if one side alone is rotated", async () => {
    expect(errorOf(await product(form(32), (matrix) => ({ ...matrix, block: undefined })))).toBeGreaterThan(0.5);
    let block: ByteMatrix["block"];
    await product(form(32), (matrix) => {
      block = matrix.block;
      return matrix;
    });
    const { data } = block!.graph.constants.find(({ tensor }) => tensor === block)!;
    const inputsAlone = await product(form(0), (matrix) => ({
      ...matrix,
      block: matrix.codes.graph.constant("block", { dtype: "f32", shape: [32, 32] }, data),
    }));
    expect(errorOf(inputsAlone)).toBeGreaterThan(0.5);
  });
});

describe("one home", () => {
  exact("keeps each form apart, whichever was prepared first", async () => {
    const first = [await product(form(0)), await product(form(32))];
    expect(readdirSync(home()).map((name) => name.replace(/\.v\d+$/, ""))).toEqual(["bytes-1", "bytes-1-rotated-32"]);
    expect(first[0]).not.toEqual(first[1]);
    expect([await product(form(0)), await product(form(32))]).toEqual(first);
    rmSync(home(), { recursive: true });
    expect(await product(form(32))).toEqual(first[1]);
    expect(await product(form(0))).toEqual(first[0]);
  });
});

test("a matrix whose inputs the blocks do not divide is as in dense", () => {
  const kind = (rotation: ByteForm["rotation"]) => {
    const weights = open(form(rotation));
    const matrix = weights.matrix(new Graph(), ODD, { "odd.weight": 8 });
    weights.abandon();
    return matrix.kind;
  };
  expect([kind(0), kind(32)]).toEqual(["bytes", "float32"]);
});
