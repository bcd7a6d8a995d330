import { Buffer as Bytes } from "node:buffer";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { decoderArchitecture } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { Batch, PlacedImage } from "../data/batch.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { ParameterStore } from "../step/parameters.ts";
import { Passes, weightsOf } from "../step/passes.ts";
import { modelOf } from "./vision-model.ts";

/** PyTorch's results in float64: tools/reference/vision_language.py. */
const folder = fileURLToPath(new URL("../../models/fixtures/llava", import.meta.url));
const { rows, labels, pixels, loss } = JSON.parse(readFileSync(path.join(folder, "gradients.json"), "utf8")) as {
  rows: number[][];
  labels: number[][];
  pixels: string;
  loss: number;
};
const IMAGE = 70;

function batch(): Batch {
  const all = new Float32Array(new Uint8Array(Bytes.from(pixels, "base64")).buffer);
  const size = all.length / rows.length;
  const images = rows.map((ids, i): PlacedImage => {
    return { at: ids.indexOf(IMAGE), pixels: () => all.subarray(i * size, (i + 1) * size) };
  });
  const flat = Int32Array.from(labels.flat());
  const labelled = flat.filter((label) => label >= 0).length;
  const shape = { rows: rows.length, tokens: rows[0]!.length, samples: rows.length };
  return { ...shape, ids: Int32Array.from(rows.flat()), labels: flat, labelled, images };
}

/** A key's bias never changes attention's output: its gradient is rounding alone. */
const LEAST = 0.01;

const norm = (values: Float32Array): number => Math.hypot(...values);

test("loss and gradients of a decoder, a projector and an encoder of images equal PyTorch's", async () => {
  const checkpoint = openCheckpoint(folder);
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const has = (name: string) => new Part(checkpoint, names, name).exists;
  const trainee: Trainee = { ...(await modelOf(checkpoint, has)), trained: () => true };
  using store = new ParameterStore(weightsOf(trainee), trainee.trained);
  for (const p of store.parameters) store.valuesOf(p).set(new Part(checkpoint, names, p.name, p.shape).floats());
  const given = batch();
  using passes = await Passes.create(trainee, store, { rows: 2, tokens: given.tokens, packed: false }, false);
  expect((await passes.train(given, 1 / given.labelled)) / given.labelled).toBeCloseTo(loss, 5);

  const expected = openCheckpoint(path.join(folder, "gradients.safetensors"));
  const gradients = new Float32Array(store.gradients.memory);
  const parts = store.parameters.map(({ name }) => name.split(".")[0]);
  expect(new Set(parts)).toEqual(new Set(["token_embd", "blk", "output_norm", "output", "v", "mm"]));
  for (const { name, shape, offset } of store.parameters) {
    const torch = new Part(expected, names, name, shape).floats();
    const apart = norm(torch.map((v, i) => gradients[offset + i]! - v)) / Math.max(norm(torch), LEAST);
    expect(apart, name).toBeLessThan(1e-4);
  }
});
