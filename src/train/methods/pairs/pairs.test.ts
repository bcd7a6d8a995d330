import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ImageTextModel } from "../../../engine/encoders/image-text/image-text-model.ts";
import { resumeTraining, train, trainImageText, trainingReport } from "../../../index.ts";
import { sceneOptions } from "../../../lab/data/scenes/options.ts";
import { plainPictures } from "../../../lab/data/scenes/scenes.testing.ts";
import { writeScenesOf } from "../../../lab/data/scenes/write.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { batchesOf, readPairs } from "./data.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-pairs-"));
const at = (name: string) => path.join(folder, name);
const data = at("scenes/scenes.jsonl");

beforeAll(async () => {
  const options = sceneOptions.parse({ size: 32, layout: "free", drawings: 3, most: 2, digits: 0, clutter: 0 });
  await writeScenesOf(plainPictures(options.drawings), at("scenes"), { split: "train", count: 24, seed: 0 }, options);
});
afterAll(() => rmSync(folder, { recursive: true }));

const layers = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const architecture = (name: string) => ({
  ...{ model_type: name, projection_dim: 16, text_config: { ...layers, max_position_embeddings: 24 } },
  vision_config: { ...layers, image_size: 32, patch_size: 8 },
});
const optionsOf = (name: string, more: object) => ({ data, architecture: architecture(name), batch: 6, ...more });

/** A learning rate too small to change any weight. */
const STILL = { lr: 1e-20 };

const softplus = (x: number) => Math.log1p(Math.exp(x));
/** The losses by their definitions, from logits [pictures][captions]. */
const losses: Record<string, (logits: number[][]) => number> = {
  clip(logits) {
    const nats = (row: number[], own: number) => Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[own]!;
    const turned = logits.map((_, i) => logits.map((row) => row[i]!));
    const all = [...logits.map(nats), ...turned.map(nats)];
    return all.reduce((a, b) => a + b) / all.length;
  },
  siglip: (logits) =>
    logits
      .flatMap((row, i) => row.map((logit, j) => softplus(i === j ? -(logit - 10) : logit - 10)))
      .reduce((a, b) => a + b) / logits.length,
};

test.each(["clip", "siglip"])("%s: the first batch's loss equals that of the written model's vectors", async (name) => {
  const out = at(`${name}-still`);
  const { loss } = await trainImageText(optionsOf(name, { steps: 1, optimizer: STILL }), { out });
  using model = await ImageTextModel.load(await resolveModel(out));
  const batch = batchesOf(readPairs([data]), 6, 0).next().value;
  const { answers: images } = await model.embed(batch.map(({ image }) => ({ image })));
  const { answers: captions } = await model.embed(batch.map(({ caption }) => caption));
  const { scale, bias } = model.model.logit;
  expect(scale).toBeCloseTo(1 / 0.07, 4);
  expect(bias).toBe(name === "siglip" ? -10 : 0);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  const logits = images.map((a) => captions.map((b) => scale * dot(a, b)));
  expect(loss.first).toBeCloseTo(losses[name]!(logits), 3);
});

test("a SigLIP learns, and continues from its weights, including its bias", async () => {
  const first = await trainImageText(optionsOf("siglip", { steps: 30, optimizer: { lr: 3e-3 } }), { out: at("first") });
  expect(first.loss.last).toBeLessThan(first.loss.first);
  const more = optionsOf("siglip", { start: at("first"), steps: 1, optimizer: STILL });
  await trainImageText(more, { out: at("second") });
  const load = async (name: string) => ImageTextModel.load(await resolveModel(at(name)));
  using before = await load("first");
  using after = await load("second");
  expect(before.model.logit.bias).not.toBe(-10);
  expect(after.model.logit.bias).toBe(before.model.logit.bias);
  const random = seededRandom(1);
  const picture = { width: 8, height: 8, data: Uint8Array.from({ length: 192 }, () => 256 * random()) };
  const tokens = async (model: ImageTextModel) => (await model.imageTokens(picture, -1)).values;
  expect(await tokens(after)).toEqual(await tokens(before));
});

test("an architecture of another kind is refused", async () => {
  await expect(trainImageText(optionsOf("bert", {}), { out: at("bert") })).rejects.toThrow(/bert/);
});

const hashOf = (run: string) =>
  createHash("sha256")
    .update(readFileSync(path.join(at(run), "model.safetensors")))
    .digest("hex");

test("as a method of train: a stopped run resumes to the same weights, with a receipt and a report", async () => {
  const method = { name: "pairs", shuffled: true };
  // The `train` command's optimizer sets all fields; a method fills in missing fields.
  const optimizer = { lr: 3e-3, beta2: 0.98, weightDecay: 0.05 };
  const run = { method, data, architecture: architecture("clip"), batch: 6, steps: 12, optimizer };
  const whole = await train(run, { out: at("whole") });
  const stop = new AbortController();
  const stopped = train(run, {
    ...{ out: at("halved"), signal: stop.signal },
    onStep: ({ step }) => step === 5 && stop.abort(),
  });
  await expect(stopped).rejects.toThrow();
  expect(existsSync(at("halved/model.safetensors"))).toBe(false);
  const resumed = await resumeTraining(at("halved"));
  expect(hashOf("halved")).toBe(hashOf("whole"));
  expect(resumed.loss).toEqual(whole.loss);
  expect(whole.receipt).toMatchObject({ method: "pairs", steps: 12, samples: 72 });
  expect(resumed.receipt.flops).toEqual(whole.receipt.flops);
  const { runs } = await trainingReport([at("whole"), at("halved")]);
  expect(runs.map(({ steps, ended }) => [steps, ended])).toEqual([
    [12, "steps"],
    [12, "steps"],
  ]);
  expect(readFileSync(at("whole/report.html"), "utf8")).toContain("pairs");
  await train({ ...run, method: "pairs:temperature=0.07,shuffled=true" }, { out: at("text") });
  expect(hashOf("text")).toBe(hashOf("whole"));
  // `trainImageText` with the same options makes the same run.
  const { method: _, ...flat } = { ...run, shuffled: true };
  await trainImageText(flat, { out: at("flat") });
  expect(hashOf("flat")).toBe(hashOf("whole"));
});

test("options that the method does not read or know are refused", async () => {
  const run = { data, architecture: architecture("clip") };
  const begun = (options: object) => train({ ...run, ...options }, { out: at("refused") });
  await expect(begun({ method: "pairs", lora: {} })).rejects.toThrow(
    "lora: the method pairs trains its own kind of model; omit lora",
  );
  await expect(begun({ method: { name: "pairs", temprature: 1 } })).rejects.toThrow(
    'pairs: there is no option "temprature"; did you mean "temperature"?',
  );
  await expect(begun({ method: "pairs", architecture: undefined })).rejects.toThrow("pairs: architecture: ");
  expect(existsSync(at("refused"))).toBe(false);
});
