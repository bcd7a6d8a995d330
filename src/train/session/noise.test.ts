import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { dropout, Graph, uniform } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import { seededRandom } from "../../util/random.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import { type Noise, noiseInputs, oddIntegers } from "../graphs/noise.ts";
import { type TrainInput, trainOptions } from "../options.ts";
import { readMetrics } from "./metrics.ts";
import { pauseSession, runSession } from "./session.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-noise-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [rows, tokens, width] = [4, 100, 300];
const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;

/** Applies dropout to ones, and draws uniform noise. */
async function drawn(noise: Noise, number: number | undefined, columns: Float32Array) {
  const g = new Graph();
  const places = [g.input("rows", "i32", [rows, tokens]), g.input("columns", "f32", [width])] as const;
  g.output("kept", dropout(g.input("x", "f32", [rows, tokens, width]), ...places, g.input("keep", "f32", [])));
  g.output("noise", uniform(...places));
  const { noise: ids, "noise:keep": keep } = noiseInputs(noise, { rows, tokens } as never, number);
  const [x, r, c, k] = [
    new Buffer("f32", rows * tokens * width),
    ...[new Buffer("i32", rows * tokens), new Buffer("f32", width), new Buffer("f32", 1)],
  ] as const;
  new Float32Array(x!.memory).fill(1);
  new Int32Array(r!.memory).set(ids!.values);
  new Float32Array(c!.memory).set(columns);
  new Float32Array(k!.memory).set(keep!.values);
  const [mask, uniforms] = [new Buffer("f32", rows * tokens * width), new Buffer("f32", rows * tokens * width)];
  const program = await Program.compile(g);
  const whole = [rows, tokens, width];
  await program
    .bind({
      ...{ x: x!.view(whole), rows: r!.view([rows, tokens]), columns: c!.view([width]), keep: k!.view([]) },
      ...{ kept: mask.view(whole), noise: uniforms.view(whole) },
    })
    .run();
  return { kept: new Float32Array(mask.memory), noise: new Float32Array(uniforms.memory) };
}

test("dropout keeps its share in every row and column, other elements in each batch and layer, and all in evaluations", async () => {
  const noise = { seed: 3, keep: 0.7, alpha: 0 };
  const [first, second] = [1, 2].map((seed) => oddIntegers(width, seededRandom(seed))) as [Float32Array, Float32Array];
  const { kept, noise: uniforms } = await drawn(noise, 5, first);
  expect(new Set(kept)).toEqual(new Set([0, Math.fround(1 / Math.fround(0.7))]));
  expect(mean(kept)).toBeCloseTo(1, 2);
  // The means of 300 and of 400 draws have standard deviations of 0.038 and 0.033.
  const rowMeans = Array.from({ length: rows * tokens }, (_, r) => mean(kept.subarray(r * width, (r + 1) * width)));
  const columnMeans = Array.from({ length: width }, (_, c) =>
    mean(Float32Array.from({ length: rows * tokens }, (_, r) => kept[r * width + c]!)),
  );
  expect(Math.max(...[...rowMeans, ...columnMeans].map((m) => Math.abs(m - 1)))).toBeLessThan(0.2);
  const deviation = (means: number[]) => Math.sqrt(mean(means.map((m) => (m - 1) ** 2)));
  expect(deviation(rowMeans)).toBeCloseTo(Math.sqrt(0.3 / 0.7 / width), 2);
  expect(deviation(columnMeans)).toBeCloseTo(Math.sqrt(0.3 / 0.7 / rows / tokens), 2);
  expect(mean(uniforms)).toBeCloseTo(0, 2);
  expect(mean(uniforms.map((u) => u * u))).toBeCloseTo(1 / 3, 2);

  expect((await drawn(noise, 5, first)).kept).toEqual(kept);
  for (const other of [drawn(noise, 6, first), drawn(noise, 5, second), drawn({ ...noise, seed: 4 }, 5, first)]) {
    const { kept: others } = await other;
    expect(mean(kept.map((k, i) => (k - 1) * (others[i]! - 1)))).toBeCloseTo(0, 2);
  }
  const evaluated = await drawn(noise, undefined, first);
  expect(evaluated.kept.every((k) => k === 1) && evaluated.noise.every((u) => u === 0)).toBe(true);
});

const checkpoint = openCheckpoint(path.join(import.meta.dirname, "../../models/fixtures/llama-tiny.gguf"));
if (checkpoint.config.kind !== "gguf") throw new Error("the fixture is no GGUF");
const base = {
  ...{ name: "llama-tiny", checkpoint, prepared: path.join(folder, "prepared") },
  tokenizer: new Tokenizer(fromGguf(checkpoint.config.metadata)),
};
const openBase = async () => base;
const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const common: TrainInput = {
  ...{ model: "llama-tiny", data: text, tokens: 16, batch: 2, accumulate: 2, steps: 4, saveEvery: 2 },
  ...{ evaluateEvery: 2, evaluateBatches: 2, optimizer: { lr: 1e-2 }, quant: "f32" },
};
const noisy = { ...common, lora: { rank: 2, lora_dropout: 0.3 }, neftuneNoiseAlpha: 5 };
const session = (name: string, options: TrainInput) => ({
  ...{ options: trainOptions.parse(options), out: path.join(folder, name), reuse: "resume" as const },
});
const lossesOf = (name: string) =>
  readMetrics(path.join(folder, name)).map(({ loss, norm, validation }) => [loss, norm, validation]);

test("a run with dropout and NEFTune that stops and resumes has the same losses and weights to the last bit", async () => {
  await runSession(session("whole", noisy), openBase, {});
  for (const until of [1, 3]) await pauseSession(session("halves", noisy), until, openBase, {});
  await runSession(session("halves", noisy), openBase, {});
  expect(lossesOf("whole")).toHaveLength(4);
  expect(lossesOf("halves")).toEqual(lossesOf("whole"));
  const weights = (name: string) => readFileSync(path.join(folder, name, "adapter_model.safetensors")).toString("hex");
  expect(weights("halves")).toBe(weights("whole"));
  await runSession(session("computed", { ...noisy, recompute: true }), openBase, {});
  for (const [i, [loss]] of lossesOf("computed").entries()) expect(loss).toBeCloseTo(lossesOf("whole")[i]![0]!, 5);
  await runSession(session("plain", { ...noisy, lora: { rank: 2 } }), openBase, {});
  expect(Math.abs(lossesOf("plain")[3]![0]! - lossesOf("whole")[3]![0]!)).toBeGreaterThan(1e-4);
});

test("noise changes the training's losses, not the evaluation's", async () => {
  const still = { steps: 2, optimizer: { lr: 1e-12 } };
  await runSession(session("still", { ...noisy, ...still }), openBase, {});
  await runSession(session("quiet", { ...common, ...still, lora: { rank: 2 } }), openBase, {});
  const [still2, quiet2] = [lossesOf("still")[1]!, lossesOf("quiet")[1]!];
  expect(still2[2]).toBeCloseTo(quiet2[2]!, 6);
  expect(Math.abs(still2[0]! - quiet2[0]!)).toBeGreaterThan(1e-4);
});
