import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { encodePng } from "../../../engine/images/pixels/encode.ts";
import { estimateTraining, load, train } from "../../../index.ts";
import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { noisy, noisyBatches } from "./batches.ts";
import { oldDrawing } from "./subject.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-drawing-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

const noise = { steps: 10, betaStart: 0.01, betaEnd: 0.3, schedule: "linear" } as const;
const images = Array.from({ length: 5 }, (_, i) => ({ pixels: new Float32Array(4).fill(i / 5), row: i % 2 }));

test("noisy images mix the image and the noise by their shares", () => {
  const shares = sharesLeft(noise);
  const { x, noise: drawn, times, classes } = noisy(images, shares, undefined, seededRandom(1));
  expect(classes).toEqual([0, 1, 0, 1, 0]);
  for (const [i, v] of x.entries()) {
    const share = shares[times[Math.floor(i / 4)]!]!;
    const pixel = images[Math.floor(i / 4)]!.pixels[0]!;
    expect(v).toBeCloseTo(Math.sqrt(share) * pixel + Math.sqrt(1 - share) * drawn[i]!, 6);
  }
});

test("a batch is determined by its index; held-out batches keep their noise and their classes", () => {
  const terms = { size: 2, noise, unconditional: 2 };
  const training = noisyBatches(images, { ...terms, seed: 3 });
  expect(training.batch(4)).toEqual(training.batch(4));
  expect(training.batch(1).drawings).not.toEqual(training.batch(4).drawings);
  expect([0, 1, 2].map((i) => training.batch(i).samples)).toEqual([2, 2, 1]);
  const dropped = Array.from({ length: 200 }, (_, i) => training.batch(i).drawings!.classes).flat();
  const share = dropped.filter((row) => row === 2).length / dropped.length;
  expect(share).toBeGreaterThan(0.05);
  expect(share).toBeLessThan(0.15);
  const heldOut = noisyBatches(images, { ...terms, seed: undefined });
  expect(heldOut.batch(0)).toEqual(heldOut.batch(3));
  expect(Array.from({ length: 9 }, (_, i) => heldOut.batch(i).drawings!.classes).flat()).not.toContain(2);
});

const architecture = {
  _class_name: "UNet2DModel",
  ...{ sample_size: 8, in_channels: 1, out_channels: 1, layers_per_block: 1, block_out_channels: [8] },
  ...{ down_block_types: ["DownBlock2D"], up_block_types: ["UpBlock2D"] },
  ...{ norm_num_groups: 2, add_attention: false, num_class_embeds: 3, labels: ["rows", "columns"] },
  scheduler: { num_train_timesteps: 20, beta_start: 0.005, beta_end: 0.4 },
};

/** A picture of stripes that are two pixels wide. */
async function striped(label: "rows" | "columns"): Promise<string> {
  const across = (i: number) => (label === "rows" ? Math.floor(i / 8) : i % 8);
  const data = Uint8Array.from({ length: 64 }, (_, i) => (across(i) % 4 < 2 ? 230 : 25));
  const png = await encodePng({ width: 8, height: 8, channels: 1, data });
  return JSON.stringify({ image: `data:image/png;base64,${Buffer.from(png).toString("base64")}`, label });
}

test("a network learns two classes, is stopped, resumes to the same weights, and draws what it learned", async () => {
  const lines = [await striped("rows"), await striped("columns")];
  writeFileSync(at("stripes.jsonl"), Array.from({ length: 16 }, (_, i) => lines[i % 2]).join("\n"));
  const shape = { data: at("stripes.jsonl"), batch: 8, validation: 0, saveEvery: 40, steps: 90 };
  const options = { ...shape, architecture, optimizer: { lr: 0.01, weightDecay: 0 } };
  const { loss, head } = await train(options, { out: at("whole") });
  expect(head).toBe("noise");
  expect(loss.last).toBeLessThan(loss.first / 2);
  const stop = new AbortController();
  const stopped = train(options, {
    ...{ out: at("halved"), signal: stop.signal },
    onStep: ({ step }) => step === 30 && stop.abort(),
  });
  await expect(stopped).rejects.toThrow();
  await train(options, { out: at("halved"), reuse: "resume" });
  const weightsOf = (model: string) => {
    const checkpoint = openCheckpoint(model);
    return [...checkpoint.tensors.values()].map((tensor) => checkpoint.floats(tensor));
  };
  expect(weightsOf(at("halved"))).toEqual(weightsOf(at("whole")));
  using model = await load(at("whole"));
  // Horizontal stripes are constant along a row, vertical ones along a column.
  const rowsOf = async (label: string) => {
    const { images, receipt } = await model.imagine({ class: label, n: 4 });
    expect(receipt.work).toMatchObject({ networkRuns: { dense: 80, run: 80 } });
    const change = (data: Uint8Array, step: number) =>
      data.reduce((sum, v, i) => sum + (i % 8 < 7 && i < 56 ? Math.abs(v - data[i + step]!) : 0), 0);
    return images.reduce((sum, { data }) => sum + change(data, 8) - change(data, 1), 0);
  };
  expect(await rowsOf("rows")).toBeGreaterThan(300);
  expect(await rowsOf("columns")).toBeLessThan(-300);
  await expect(train({ ...options, method: "noise" }, { out: at("whole"), reuse: "resume" })).rejects.toThrow(
    "a run cannot continue with a different method: ",
  );
  await expect(model.complete("hello")).rejects.toThrow("draws images; expected a model that generates text");
});

test.each([
  ["no JSON", /bad.jsonl: line 1: expected JSON with "image" and "label"/],
  ['{"image":"gone.png","label":"rows"}', /gone\.png: there is no such file/],
  ['{"label":"rows"}', /bad.jsonl: line 1: "image": expected string/],
  ["\n", /bad.jsonl: there are no images/],
])("data %s are refused", async (line, sentence) => {
  writeFileSync(at("bad.jsonl"), line);
  await expect(estimateTraining({ data: at("bad.jsonl"), architecture })).rejects.toThrow(sentence);
});

const deeper = {
  down_block_types: ["DownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "UpBlock2D"],
};

test.each([
  [{ block_out_channels: [9] }, /"norm_num_groups" is 2, expected a divisor of 9/],
  [{ block_out_channels: [4, 8], ...deeper, sample_size: 7 }, /"sample_size" is 7, expected a multiple of 2/],
  [{ block_out_channels: [4, 8] }, /"down_block_types" is 1, expected 2 of them/],
  [{ up_block_types: ["AttnUpBlock2D"] }, /"up_block_types" is .*, expected \["UpBlock2D"\]/],
  [{ act_fn: "gelu" }, /"act_fn" is "gelu", expected "silu"; nothing else is supported/],
  [{ labels: ["a"] }, /"labels" is \["a"\], expected 3 different names, or one fewer/],
  [{ scheduler: { prediction_type: "sample" } }, /"prediction_type" is "sample", expected "epsilon"/],
])("a configuration with %j is refused", async (fields, sentence) => {
  writeFileSync(at("rows.jsonl"), await striped("rows"));
  const run = estimateTraining({ data: at("rows.jsonl"), architecture: { ...architecture, ...fields } });
  await expect(run).rejects.toThrow(sentence);
});

test("a label, a method and a mask that do not fit are named", async () => {
  writeFileSync(at("other.jsonl"), (await striped("rows")).replace("rows", "dots"));
  const options = { data: at("other.jsonl"), architecture };
  await expect(estimateTraining(options)).rejects.toThrow('label: expected one of "rows", "columns", got "dots"');
  const others = { method: "sparse", precision: "amp-bf16", recompute: true, packing: true } as const;
  for (const name of ["method", "precision", "recompute", "packing"] as const)
    await expect(estimateTraining({ ...options, [name]: others[name] })).rejects.toThrow(
      `${name}: not supported in training an image generator; omit ${name}`,
    );
});

test("a pipeline cannot be trained", () => {
  const checkpoint = openCheckpoint(
    fileURLToPath(new URL("../../../models/fixtures/stable-diffusion", import.meta.url)),
  );
  expect(() => oldDrawing(checkpoint, { train: [], freezeMask: undefined })).toThrow(
    /stable-diffusion: a StableDiffusionPipeline cannot be trained; expected a UNet2DModel/,
  );
});

test("noise is the method of image generators, and may be named", async () => {
  writeFileSync(at("named.jsonl"), [await striped("rows"), await striped("columns")].join("\n"));
  const run = { data: at("named.jsonl"), architecture, method: "noise", steps: 1, batch: 2, validation: 0 };
  const { receipt, head } = await train(run, { out: at("named") });
  expect([receipt.method, head]).toEqual(["noise", "noise"]);
  const other = train({ ...run, architecture: { model_type: "gpt2" } }, { out: at("text") });
  await expect(other).rejects.toThrow(
    "method: noise trains image generators; expected an image generator as the model",
  );
});
