import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { resumeTraining, train, trainImageText, trainingReport, trainRegionLocaliser } from "../../../index.ts";
import { sceneOptions } from "../../../lab/data/scenes/options.ts";
import { plainPictures } from "../../../lab/data/scenes/scenes.testing.ts";
import { writeScenesOf } from "../../../lab/data/scenes/write.ts";
import type { TrainInput } from "../../options.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-regions-"));
const at = (name: string) => path.join(folder, name);
const data = at("scenes/scenes.jsonl");

const layers = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const architecture = {
  ...{ projection_dim: 16, text_config: { ...layers, max_position_embeddings: 24 } },
  vision_config: { ...layers, image_size: 32, patch_size: 8 },
};
const sizes = { imageSize: 32, patchSize: 8, hidden: 16, imageLayers: 1, layers: 1, heads: 2, cells: 2, maskWidth: 8 };
/** A complete optimizer, as in a command's options. */
const optimizer = { lr: 3e-3, beta2: 0.98, weightDecay: 0.05 };

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", at("home"));
  const options = sceneOptions.parse({ size: 32, layout: "free", drawings: 3, most: 2, digits: 0, clutter: 0 });
  await writeScenesOf(plainPictures(options.drawings), at("scenes"), { split: "train", count: 24, seed: 0 }, options);
  await trainImageText({ data, architecture, steps: 1, batch: 6 }, { out: at("clip") });
  const localiser = { data, heldOut: data, sizes, steps: 9, batch: 5, regions: 4, optimizer };
  await trainRegionLocaliser(localiser, { out: at("localiser") });
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const runs: Readonly<Record<"localiser" | "bridge", TrainInput>> = {
  localiser: {
    ...{ method: { name: "localiser", heldOut: data, sizes, regions: 4 }, data, steps: 9, batch: 5 },
    ...{ optimizer, evaluateEvery: 4 },
  },
  bridge: {
    method: { name: "bridge", localiser: at("localiser"), labels: ["cat", "dog"], layers: 1, heads: 2, ffn: 32 },
    ...{ model: at("clip"), data, steps: 9, batch: 4, optimizer: { lr: 3e-3 } },
  },
};

const hashOf = (file: string) =>
  createHash("sha256")
    .update(readFileSync(at(file)))
    .digest("hex");

test.each(["localiser", "bridge"] as const)(
  "%s: a stopped run resumes to the same file, with a receipt and a report",
  async (name) => {
    const run = runs[name];
    const [whole, halved] = [`${name}-whole`, `${name}-halved`];
    const { receipt, loss } = await train(run, { out: at(whole) });
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 6 && stop.abort();
    await expect(train(run, { out: at(halved), signal: stop.signal, onStep })).rejects.toThrow();
    expect(existsSync(at(`${halved}/${name}.json`))).toBe(false);
    const resumed = await resumeTraining(at(halved));
    expect(hashOf(`${halved}/${name}.safetensors`)).toBe(hashOf(`${whole}/${name}.safetensors`));
    expect(hashOf(`${halved}/${name}.json`)).toBe(hashOf(`${whole}/${name}.json`));
    expect(resumed.loss).toEqual(loss);
    expect(receipt).toMatchObject({ method: name, steps: 9 });
    expect(receipt.flops.backward).toBeGreaterThan(0);
    expect(resumed.receipt.flops).toEqual(receipt.flops);
    const { runs: reported } = await trainingReport([at(halved)]);
    expect(reported[0]).toMatchObject({ steps: 9, ended: "steps", loss });
  },
);

const program = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

test("a process that is killed during training resumes to the same file", async () => {
  const run = { ...runs.localiser, steps: 150, evaluateEvery: 1000, saveEvery: 4 };
  await train(run, { out: at("unkilled") });
  writeFileSync(at("run.json"), JSON.stringify(run));
  const words = ["--import", "tsx", program, "train", at("run.json"), "--out", at("killed")];
  const child = spawn(process.execPath, words, { stdio: "ignore" });
  const ended = once(child, "close");
  while (child.exitCode === null && !existsSync(at("killed/checkpoints/step-8"))) await setTimeout(2);
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(existsSync(at("killed/localiser.json"))).toBe(false);
  await resumeTraining(at("killed"));
  expect(hashOf("killed/localiser.safetensors")).toBe(hashOf("unkilled/localiser.safetensors"));
  expect(hashOf("killed/localiser.json")).toBe(hashOf("unkilled/localiser.json"));
});

test("the verb's options make the same run, with its masks measured", async () => {
  expect(hashOf("localiser/localiser.safetensors")).toBe(hashOf("localiser-whole/localiser.safetensors"));
  const { maskIou } = JSON.parse(readFileSync(at("localiser/localiser.json"), "utf8"));
  const { runs: reported } = await trainingReport([at("localiser-whole")]);
  expect(reported[0]!.tasks).toEqual({ maskIou });
  expect(readFileSync(at("localiser-whole/report.html"), "utf8")).toContain("<h2>maskIou</h2>");
});

test("data that the methods cannot train on are refused", async () => {
  const begun = (options: TrainInput) => train(options, { out: at("refused") });
  await expect(begun({ ...runs.localiser, data: [data, data] })).rejects.toThrow(
    "data: expected one file of scenes, got 2",
  );
  await expect(begun({ ...runs.bridge, model: undefined })).rejects.toThrow(
    "model: expected a model of images and texts",
  );
  await expect(begun({ ...runs.bridge, model: "digits-tiny" })).rejects.toThrow(
    "digits-tiny does not compare images with texts; expected a CLIP, such as clip-tiny",
  );
  expect(existsSync(at("refused"))).toBe(false);
});
