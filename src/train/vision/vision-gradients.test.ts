import { Buffer as Bytes } from "node:buffer";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { decoderArchitecture } from "../../models/registry.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
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

/** Opens a model with its stored weights, as in training. */
async function traineeOf(checkpoint: Checkpoint) {
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const has = (name: string) => new Part(checkpoint, names, name).exists;
  const trainee: Trainee = { ...(await modelOf(checkpoint, has)), trained: () => true };
  const store = new ParameterStore(weightsOf(trainee), trainee.trained);
  for (const p of store.parameters) store.valuesOf(p).set(new Part(checkpoint, names, p.name, p.shape).floats());
  return { names, trainee, store };
}

/** A key's bias never changes attention's output, so its gradient is only rounding noise. */
const LEAST = 0.01;

const norm = (values: Float32Array): number => Math.hypot(...values);

test("loss and gradients of a decoder, a projector and an image encoder equal PyTorch's", async () => {
  const { names, trainee, store: own } = await traineeOf(openCheckpoint(folder));
  using store = own;
  const input = batch();
  using passes = await Passes.create(trainee, store, { rows: 2, tokens: input.tokens, packed: false }, false);
  expect((await passes.train(input, 1 / input.labelled)) / input.labelled).toBeCloseTo(loss, 5);

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

test("the gradient of the scale factors in DINOv2's tower predicts the loss's slope along it", async () => {
  const { trainee, store: own } = await traineeOf(openCheckpoint(folder.replace(/llava$/, "llava-dinov2")));
  using store = own;
  const input = batch();
  using passes = await Passes.create(trainee, store, { rows: 2, tokens: input.tokens, packed: false }, false);
  const lossNow = async () => (await passes.train(input, 1 / input.labelled)) / input.labelled;
  const scales = store.parameters.filter(({ name }) => /^v\..*_scale/.test(name));
  expect(scales.length).toBeGreaterThan(3);
  for (const p of scales) {
    const values = store.valuesOf(p);
    const before = values.slice();
    const gradients = new Float32Array(store.gradients.memory).fill(0);
    await lossNow();
    const gradient = gradients.slice(p.offset, p.offset + before.length);
    const step = 0.02 / norm(gradient);
    const at = async (sign: number) => {
      values.set(before.map((v, i) => v + sign * step * gradient[i]!));
      return lossNow();
    };
    const slope = ((await at(1)) - (await at(-1))) / (2 * step);
    values.set(before);
    expect(slope / norm(gradient) ** 2, p.name).toBeCloseTo(1, 2);
  }
});
