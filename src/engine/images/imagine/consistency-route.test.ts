import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { difference } from "../../../models/encoder/encoder.testing.ts";
import { deviationsOf } from "../../../models/image-generator/consistency-schedule.ts";
import { openImageGenerator } from "../../../models/registry.ts";
import { oldDrawing } from "../../../train/methods/noise/subject.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { consistencyRoute } from "./consistency.ts";
import { ImageModel } from "./image-model.ts";
import { imagineOptions } from "./options.ts";

const usual = { steps: 40, least: 0.002, most: 80, data: 0.5, rho: 7, clips: true };

test("deviations: computed by hand, and by diffusers' CMStochasticIterativeScheduler", () => {
  expect(deviationsOf({ ...usual, steps: 3, least: 1, most: 9, rho: 2 }, 3)).toEqual([9, 4, 1]);
  expect(deviationsOf(usual, 1)).toEqual([80]);
  expect(difference(deviationsOf(usual, 2), [80, 2.24044])).toBeLessThan(1e-5);
  expect(difference(deviationsOf(usual, 3), [80, 9.723202, 0.469979])).toBeLessThan(1e-5);
});

test("two steps of sampling are diffusers'", () => {
  const { deviation, steps } = consistencyRoute({ ...usual, steps: 10, least: 0.01, most: 5, rho: 3, clips: false }, 2);
  expect(deviation).toBe(5);
  expect(
    difference(
      steps.map(({ time }) => time),
      [402.359478, -96.147698],
    ),
  ).toBeLessThan(1e-4);
  const [x, output] = [Float32Array.of(2, -1, 0.5), Float32Array.of(0.1, -0.2, 0.3)];
  expect(
    difference(
      [...x].map((value) => value * steps[0]!.scale),
      [0.398015, -0.199007, 0.099504],
    ),
  ).toBeLessThan(1e-6);
  const normals = [1, 0.5, -1];
  steps[0]!.advance(x, output, () => normals.shift()!);
  expect(difference([...x], [0.750189, 0.231083, -0.526729])).toBeLessThan(1e-6);
  steps[1]!.advance(x, output, () => Number.NaN);
  expect(difference([...x], [0.307677, 0.003133, -0.069033])).toBeLessThan(1e-6);
});

test("at the least deviation an image is itself, whatever the network says", () => {
  const { steps } = consistencyRoute({ ...usual, steps: 2 }, 2);
  const x = Float32Array.of(0.25, -0.5);
  steps[1]!.advance(x, Float32Array.of(7, -9), () => Number.NaN);
  expect(difference([...x], [0.25, -0.5])).toBeLessThan(1e-6);
});

const folder = mkdtempSync(path.join(tmpdir(), "modicum-consistency-route-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A random network labelled as a consistency model. */
function consistent(scheduler: object = {}): string {
  const fixture = fileURLToPath(new URL("../../../models/fixtures/unet-scaled", import.meta.url));
  cpSync(fixture, folder, { recursive: true });
  const config = JSON.parse(readFileSync(path.join(fixture, "config.json"), "utf8"));
  const own = { ...config, scheduler: { _class_name: "CMStochasticIterativeScheduler", ...scheduler } };
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(own));
  return folder;
}

test("a model's configuration chooses the sampler; one step is the default, and others are refused", async () => {
  using model = await ImageModel.load({ name: "tiny", path: consistent(), source: "file", bytes: 0 });
  const imagine = (options: object) => model.imagine(imagineOptions.parse(options));
  const once = await imagine({ class: "a" });
  expect(once.usage.work).toEqual({ networkRuns: { dense: 1, run: 1 } });
  expect((await imagine({ class: "a", steps: 1, sampler: "consistency" })).images).toEqual(once.images);
  const twice = await imagine({ class: "a", steps: 2, n: 2 });
  expect(twice.usage.work).toEqual({ networkRuns: { dense: 4, run: 4 } });
  expect(twice.images[0]!.data).not.toEqual(once.images[0]!.data);
  expect((await imagine({ class: "a", steps: 2, seed: 1 })).images[0]).toEqual(twice.images[1]);
  await expect(imagine({ class: "a", sampler: "ddim" })).rejects.toThrow(
    "sampler: tiny is a consistency model; expected the sampler consistency, got ddim",
  );
  await expect(imagine({ class: "a", steps: 41 })).rejects.toThrow(
    "steps: expected at most 40, as in the training of tiny, got 41",
  );
});

test("an image begins with the noise of the first of the steps that are left", () => {
  const { steps } = consistencyRoute(usual, 2);
  const x = Float32Array.of(1, -1);
  steps[1]!.noised(x, () => 0.5);
  expect(difference([...x], [2.12022, 0.12022])).toBeLessThan(1e-5);
});

test("a schedule that cannot be is refused, and so is training", async () => {
  const checkpoint = openCheckpoint(consistent());
  expect(() => oldDrawing(checkpoint, { train: [] })).toThrow("a consistency model cannot be trained");
  const open = (scheduler: object) => openImageGenerator(openCheckpoint(consistent(scheduler)), folder);
  await expect(() => open({ sigma_min: 90 })).rejects.toThrow("expected sigma_min below sigma_max");
  await expect(() => open({ s_noise: 2 })).rejects.toThrow(/s_noise/);
});
