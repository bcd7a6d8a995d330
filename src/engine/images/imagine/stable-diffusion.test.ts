import { Buffer as Bytes } from "node:buffer";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { difference } from "../../../models/encoder/encoder.testing.ts";
import { Parity } from "../../../models/parity.testing.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { openImageGenerator } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { preparedFolder } from "../../../weights/sources/index.ts";
import { encodePng } from "../pixels/encode.ts";
import { ImageModel } from "./image-model.ts";
import { NoiseRunner } from "./noise-runner.ts";
import { imagineOptions } from "./options.ts";
import { Painter } from "./painter.ts";
import { PromptRunner } from "./prompt-runner.ts";

/** diffusers' results in float32: tools/reference/stable_diffusion.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
interface Reference {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly times: readonly number[];
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly states: string;
  readonly latents: string;
  readonly predicted: string;
  readonly decoded: string;
  readonly drawn: string;
  readonly image: string;
  readonly encoded: string;
}
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixture(name), "stable-diffusion.json"), "utf8"));
const sourceOf = (folder: string) => ({ name: "sd", path: folder, source: "file", bytes: 0 }) as const;
const scratch = mkdtempSync(path.join(tmpdir(), "modicum-images-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const pipelines = ["stable-diffusion", "stable-diffusion-2"];
const worst = new Map<string, number>();

describe.each(pipelines)("%s equals diffusers", (name) => {
  const folder = fixture(name);
  const reference = referenceOf(name);
  const note = (most: number) => {
    expect(most).toBeLessThan(1e-4);
    worst.set(`${name} safetensors`, Math.max(most, worst.get(`${name} safetensors`) ?? 0));
  };

  test("a text's states, the predicted noise, the pixels of latents, and the latents of pixels", async () => {
    const { model, weights } = await openImageGenerator(openCheckpoint(folder), preparedFolder(folder));
    const [network, ...graphs] = prepare(weights, () => Painter.trace(model));
    using runner = await NoiseRunner.compile(model.unet, network);
    using around = await PromptRunner.compile(model.prompts!, model.unet, graphs);
    const states = await around.states(reference.ids);
    note(difference([...states], unpack(reference.states)));
    const latents = unpack(reference.latents);
    const conditions = reference.times.map(() => ({ states }));
    const noise = await runner.run(latents, reference.times, conditions);
    note(difference([...noise], unpack(reference.predicted)));
    const halves = [latents.subarray(0, latents.length / 2), latents.subarray(latents.length / 2)];
    const decoded = [await around.pixels(halves[0]!), await around.pixels(halves[1]!)];
    note(
      difference(
        decoded.flatMap((pixels) => [...pixels]),
        unpack(reference.decoded),
      ),
    );
    const encoded = await around.latents(unpack(reference.image));
    note(difference([...encoded.values], unpack(reference.encoded)));
  });

  test("a whole drawing by DDIM with guidance, of a prompt", async () => {
    using model = await ImageModel.load(sourceOf(folder));
    const { prompt, seed, steps, guidance, ids } = reference;
    const { images, usage } = await model.imagine(imagineOptions.parse({ prompt, seed, steps, guidance }));
    const expected = unpack(reference.drawn);
    const [image] = images;
    expect(image).toMatchObject({ width: 16, height: 16, channels: 3 });
    const bytes = [...expected.keys()].map((i) => image!.data[(i % 256) * 3 + Math.floor(i / 256)]!);
    expect(new Set(bytes).size).toBeGreaterThan(50);
    // A value may be half-way between two bytes.
    const others = bytes.filter((byte, i) => byte !== Math.round(255 * expected[i]!));
    expect(others.length).toBeLessThan(3);
    expect(usage.work).toEqual({ networkRuns: { dense: 2 * steps, run: 2 * steps } });
    expect(usage.tokens.prompt).toBe(2 * ids.length);
  });
});

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "pipelines of images");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(pipelines, worst));
  else for (const name of pipelines) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});

describe("a pipeline, loaded", () => {
  const { prompt } = referenceOf("stable-diffusion");
  let model: ImageModel;
  beforeAll(async () => {
    model = await ImageModel.load(sourceOf(fixture("stable-diffusion")));
  });
  afterAll(() => model[Symbol.dispose]());
  const drawn = async (options: object) => {
    const { images, usage } = await model.imagine(imagineOptions.parse({ steps: 2, prompt, ...options }));
    return { pictures: images.map(({ data }) => [...data]), usage };
  };

  test("an image depends on the prompt, and on its own seed alone", async () => {
    const { pictures } = await drawn({ n: 5 });
    expect((await drawn({ seed: 4 })).pictures[0]).toEqual(pictures[4]);
    expect((await drawn({ prompt: "a dog", seed: 4 })).pictures[0]).not.toEqual(pictures[4]);
  });

  test("guidance 1 reads one text and runs once a step, 0 is the empty prompt", async () => {
    const plain = await drawn({ guidance: 1 });
    expect(plain.usage.work).toEqual({ networkRuns: { dense: 2, run: 2 } });
    expect(plain.usage.tokens.prompt).toBe(20);
    expect(plain.usage.flops.spent).toBeGreaterThan(0);
    expect((await drawn({ guidance: 0 })).pictures).toEqual((await drawn({ prompt: "", guidance: 1 })).pictures);
  });

  test("an image goes through the last steps, and the fewer they are the more is left of it", async () => {
    const file = path.join(scratch, "red.png");
    const red = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i % 3 === 0 ? 255 : 0));
    writeFileSync(file, await encodePng({ width: 16, height: 16, channels: 3, data: red }));
    const from = (options: object) => drawn({ image: file, guidance: 1, steps: 10, ...options });
    const [most, least] = [await from({ strength: 0.9 }), await from({ strength: 0.1 })];
    expect(most.usage.work).toEqual({ networkRuns: { dense: 9, run: 9 } });
    expect(least.usage.work).toEqual({ networkRuns: { dense: 1, run: 1 } });
    expect((await from({})).usage.work).toEqual({ networkRuns: { dense: 8, run: 8 } });
    expect(least.pictures).not.toEqual(most.pictures);
    const without = await drawn({ guidance: 1, steps: 1 });
    expect(least.usage.flops.spent).toBeGreaterThan(without.usage.flops.spent);
    writeFileSync(file, await encodePng({ width: 8, height: 32, channels: 3, data: red }));
    await expect(from({})).rejects.toThrow(`${file}: the image has 8 × 32 pixels, expected the network's 16 × 16`);
    await expect(drawn({ strength: 0.5 })).rejects.toThrow("strength needs an initial image");
  });

  test.each([
    [{ prompt: undefined }, "prompt: sd draws from a text; expected a prompt"],
    [{ class: "7" }, "class: sd has no classes; expected a prompt"],
    [{ steps: 50 }, "steps: expected at most 49, as in the training of sd, got 50"],
  ])("%j is refused", async (value, sentence) => {
    await expect(drawn(value)).rejects.toThrow(UserError);
    await expect(drawn(value)).rejects.toThrow(sentence);
  });
});

describe("parts that do not fit are refused", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-pipeline-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ["unet/config.json", { cross_attention_dim: 16 }, /unet.config.json: "cross_attention_dim" is 16, expected 32/],
    ["unet/config.json", { class_embed_type: "timestep" }, /unet.config.json: "class_embed_type" is "timestep", exp/],
    ["unet/config.json", { attention_head_dim: 3 }, /unet.config.json: "attention_head_dim" is 3, expected a divisor/],
    [
      "vae/config.json",
      { latent_channels: 8 },
      /unet.config.json: "in_channels" is 4, expected 8, which the autoencoder/,
    ],
    [
      "scheduler/scheduler_config.json",
      { prediction_type: "v_prediction" },
      /scheduler_config.json: "prediction_type"/,
    ],
    ["model_index.json", { _class_name: "FluxPipeline" }, /architecture "FluxPipeline" is not supported/],
    [
      "model_index.json",
      { vae: [null, null] },
      /model_index.json: "vae" is missing, expected a folder of the pipeline/,
    ],
  ])("%s with %j", async (file, changed, sentence) => {
    const copy = path.join(folder, "copy");
    cpSync(fixture("stable-diffusion"), copy, { recursive: true });
    const target = path.join(copy, file);
    writeFileSync(target, JSON.stringify({ ...JSON.parse(readFileSync(target, "utf8")), ...changed }));
    const open = () => openImageGenerator(openCheckpoint(copy), preparedFolder(copy));
    await expect(open).rejects.toThrow(UserError);
    await expect(open).rejects.toThrow(sentence);
  });

  test("the names in published files are also read", async () => {
    const checkpoint = openCheckpoint(fixture("stable-diffusion"));
    const older = (name: string) =>
      name
        .replace(/^(vae\.decoder\.mid_block\.attentions\.0\.)to_q/, "$1query")
        .replace(/^text_encoder\./, "text_encoder.text_model.");
    const renamed = new Map([...checkpoint.tensors].map(([name, tensor]) => [older(name), tensor]));
    expect(renamed.has("vae.decoder.mid_block.attentions.0.query.weight")).toBe(true);
    const { model, weights } = await openImageGenerator(
      { ...checkpoint, tensors: renamed },
      path.join(folder, "older"),
    );
    expect(() => weights.survey(() => Painter.trace(model))).not.toThrow();
  });
});
