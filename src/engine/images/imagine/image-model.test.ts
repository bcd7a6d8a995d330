import { Buffer as Bytes } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { difference } from "../../../models/encoder/encoder.testing.ts";
import { traceNoise } from "../../../models/image-generator/image-generator-graphs.ts";
import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { Parity } from "../../../models/parity.testing.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { openImageGenerator } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { preparedFolder } from "../../../weights/sources/index.ts";
import { ImageModel } from "./image-model.ts";
import { NoiseRunner } from "./noise-runner.ts";
import { imagineOptions } from "./options.ts";
import { asInput } from "./picture.ts";
import { advance, guide, renoise, stepsOf } from "./sampler.ts";

/** diffusers' results in float32: tools/reference/unet.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
interface Reference {
  readonly times: readonly number[];
  readonly classes: readonly number[] | null;
  readonly x: string;
  readonly predicted: string;
  readonly ddimTimes: readonly number[];
  readonly ddimNext: string;
  readonly ddpmLast: string;
}
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const none = () => 0;
const networks = ["unet", "unet-plain", "unet-scaled"];
const worst = new Map<string, number>();

describe.each(networks)("%s equals diffusers", async (name) => {
  const folder = fixture(name);
  const reference: Reference = JSON.parse(readFileSync(path.join(folder, "unet.json"), "utf8"));
  const { model, weights } = await openImageGenerator(openCheckpoint(folder), preparedFolder(folder));
  const { denoising } = model;
  if (denoising.kind !== "noise") throw new Error("the fixtures predict noise");
  const shares = sharesLeft(denoising.noise);

  test("the predicted noise", async () => {
    const [graph] = prepare(weights, () => [traceNoise(model.unet)]);
    using runner = await NoiseRunner.compile(model.unet, graph);
    const rows = reference.classes?.map((row) => ({ row })) ?? [];
    const result = await runner.run(unpack(reference.x), reference.times, rows);
    const most = difference([...result], unpack(reference.predicted));
    expect(most).toBeLessThan(1e-4);
    worst.set(`${name} safetensors`, most);
  });

  test("the times and the steps of DDIM and DDPM", () => {
    const [ddim, ddpm] = (["ddim", "ddpm"] as const).map((sampler) => ({ ...denoising.sampling, sampler }));
    const steps = stepsOf(shares, 10, ddim!);
    expect(steps.map(({ time }) => time)).toEqual(reference.ddimTimes);
    const [x, noise] = [unpack(reference.x), unpack(reference.predicted)];
    advance(ddim!, x, noise, steps[4]!, none);
    expect(difference([...x], unpack(reference.ddimNext))).toBeLessThan(1e-5);
    const y = unpack(reference.x);
    advance(ddpm!, y, noise, stepsOf(shares, shares.length, ddpm!).at(-1)!, none);
    expect(difference([...y], unpack(reference.ddpmLast))).toBeLessThan(1e-5);
  });
});

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "image generators");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(networks, worst));
  else for (const name of networks) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});

const source = { name: "unet", path: fixture("unet"), source: "file", bytes: 0 } as const;
const optionsWith = (options: object) => imagineOptions.parse({ steps: 3, ...options });

test("an image depends on its own seed alone, and on its class", async () => {
  using model = await ImageModel.load(source);
  const { images, usage } = await model.imagine(optionsWith({ class: "b", n: 3, sampler: "ddpm" }));
  expect(usage.work).toEqual({ networkRuns: { dense: 9, run: 9 } });
  const later = await model.imagine(optionsWith({ class: "b", seed: 2, sampler: "ddpm" }));
  expect(later.images[0]!.data).toEqual(images[2]!.data);
  expect(later.usage.flops.spent).toBe(usage.flops.spent / 3);
  const other = await model.imagine(optionsWith({ class: "a", seed: 2, sampler: "ddpm" }));
  expect(other.images[0]!.data).not.toEqual(images[2]!.data);
  const guided = await model.imagine(optionsWith({ class: "b", guidance: 0, seed: 2, sampler: "ddpm" }));
  const plain = await model.imagine(optionsWith({ seed: 2, sampler: "ddpm" }));
  expect(guided.images[0]!.data).toEqual(plain.images[0]!.data);
  expect(guided.usage.flops.spent).toBe(2 * plain.usage.flops.spent);
});

test("a step's noise keeps a share of the image's variance, and a grey picture is a network's input", () => {
  const x = Float32Array.of(1, -1);
  renoise(x, { time: 3, signal: 0.64, signalNext: 1 }, () => 0.5);
  expect(difference([...x], [1.1, -0.5])).toBeLessThan(1e-6);
  const data = Uint8Array.of(0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 255);
  const sizes = { channels: 1, imageSize: 2 };
  const input = asInput({ width: 2, height: 2, data }, sizes, "a");
  expect(difference([...input], [-1, 1, -1 / 3, 1 / 3])).toBeLessThan(1e-6);
});

test("guidance goes from no class to the class and beyond", () => {
  const noise = Float32Array.of(1, -2);
  guide(noise, Float32Array.of(3, 0), 2);
  expect([...noise]).toEqual([-1, -4]);
});

test.each([
  [{ class: "z" }, /^class: expected one of a, b, c, d, got "z"/],
  [{ class: "a", steps: 101 }, "steps: expected at most 100, as in the training of unet, got 101"],
  [{ prompt: "a" }, "prompt: unet reads no texts; expected a class, or a model that reads texts"],
  [{ guidance: 2 }, "guidance other than 1 needs a class, and a model also trained without classes"],
])("%j is refused", async (value, sentence) => {
  using model = await ImageModel.load(source);
  await expect(model.imagine(optionsWith(value))).rejects.toThrow(UserError);
  await expect(model.imagine(optionsWith(value))).rejects.toThrow(sentence);
});
