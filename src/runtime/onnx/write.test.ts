import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Graph } from "../../graph/graph.ts";
import { plus } from "../../graph/ops/elementwise.ts";
import { portable, writeOnnx } from "./write.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-onnx-"));
afterAll(() => rmSync(root, { recursive: true }));
const folder = () => mkdtempSync(path.join(root, "to-"));

const source = path.join(root, "weights.bin");
const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);
writeFileSync(source, bytes);
/** The number of elements and the offset of two constants, out of order and with other data around them. */
const spans = { b: [2500, 20_000], a: [4, 64] } as const;

function graphOf(): Graph {
  const g = new Graph();
  for (const [name, [size, offset]] of Object.entries(spans)) {
    const data = { kind: "file", path: source, offset, bytes: 4 * size } as const;
    const x = g.input(`x_${name}`, "f32", [size]);
    g.output(`y_${name}`, plus(x, g.constant(name, { dtype: "f32", shape: [size] }, data)));
  }
  return g;
}

test("the data file holds the graph's own constants, each from a page on", async () => {
  const to = folder();
  const files = portable({ "model.onnx": graphOf() }, to);
  const seen: [number, number][] = [];
  await writeOnnx(files, to, { onProgress: (done, total) => seen.push([done, total]) });
  const data = readFileSync(path.join(to, "model.onnx.data"));
  expect(data.length).toBe(3 * 4096 + 16);
  expect(data.subarray(0, 10_000)).toEqual(Buffer.from(bytes.subarray(20_000, 30_000)));
  expect(data.subarray(3 * 4096)).toEqual(Buffer.from(bytes.subarray(64, 80)));
  expect(seen.at(-1)).toEqual([data.length, data.length]);
  const model = readFileSync(path.join(to, "model.onnx"), "latin1");
  expect(model).toContain("model.onnx.data");
  expect(model).not.toContain("weights.bin");
});

test("the same bytes in two shapes lie there once", () => {
  const g = graphOf();
  const data = { kind: "file", path: source, offset: 64, bytes: 16 } as const;
  g.constant("a.square", { dtype: "f32", shape: [2, 2] }, data);
  const { graphs, bytes: length } = portable({ "a.onnx": g }, root);
  expect(length).toBe(3 * 4096 + 16);
  const offsets = graphs["a.onnx"]!.constants.map((c) => c.data.kind === "file" && c.data.offset);
  expect(offsets).toEqual([0, 3 * 4096, 3 * 4096]);
});

test("graphs share what lies in the file", () => {
  const { graphs, bytes: length } = portable({ "a.onnx": graphOf(), "b.onnx": graphOf() }, root);
  expect(length).toBe(3 * 4096 + 16);
  expect(graphs["b.onnx"]!.constants.map((c) => c.data)).toEqual(graphs["a.onnx"]!.constants.map((c) => c.data));
});

test("stopped, it throws the signal's reason and writes no model.onnx", async () => {
  const to = folder();
  const stop = new AbortController();
  const options = { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) };
  await expect(writeOnnx(portable({ "model.onnx": graphOf() }, to), to, options)).rejects.toThrow("enough");
  expect(readdirSync(to)).toEqual(["model.onnx.data"]);
});

test("weights that end too early are an error", async () => {
  const to = folder();
  const files = portable({ "model.onnx": graphOf() }, to);
  writeFileSync(source, bytes.subarray(0, 25_000));
  await expect(writeOnnx(files, to, {})).rejects.toThrow(/weights\.bin is cut off: 5000 bytes of a tensor are missing/);
});
