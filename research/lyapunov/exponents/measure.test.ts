import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { tokenizerOf } from "../../../src/engine/file/tokenizer-of.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { measureDeviations } from "./deviations.ts";
import { FeedbackStep } from "./feedback-step.ts";
import { histogramOf } from "./histogram.ts";
import { lyapunovOptions, measureLyapunov } from "./measure.ts";
import { OpenStates } from "./open-states.ts";
import { measureSpectra } from "./spectra.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lyapunov-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const fixture = (name: string) => at(`src/models/fixtures/${name}`);
const model = (name = "mamba2") => openDecoder(openCheckpoint(fixture(name)), path.join(folder, name), "f32");

test("a text that is too short, and a model with attention, are refused in one sentence", async () => {
  const options = lyapunovOptions.parse({});
  const measured = async (name: string) => measureLyapunov(await resolveModel(at(name)), "To be", options);
  await expect(measured("packages/models/mamba-tiny")).rejects.toThrow(
    "the text is too short for an exponent: it has 5 tokens, expected at least 32",
  );
  await expect(measured("src/models/fixtures/llama-biased")).rejects.toThrow(
    "its layers attend and keep no state of fixed size; expected a recurrent model",
  );
});

test("the median of an even count of exponents is the mean of the middle two", async () => {
  const tiny = await resolveModel(at("packages/models/mamba-tiny"));
  const text = "To be, or not to be: that is the question";
  const { layers } = await measureLyapunov(tiny, text, lyapunovOptions.parse({ tokens: 32 }));
  const decoder = await openDecoder(openCheckpoint(tiny.path), path.join(folder, "mamba-tiny"), "f32");
  const ids = tokenizerOf(openCheckpoint(tiny.path), decoder.decoder.config.vocabulary).encode(text).slice(0, 32);
  for (const [l, { exponents }] of (await measureSpectra(decoder, ids)).entries()) {
    const sorted = exponents.toSorted();
    expect(sorted).toHaveLength(10);
    expect(layers[l]!.median).toBe((sorted[4]! + sorted[5]!) / 2);
  }
});

test("a step with feedback is the model's own step: states as after the same tokens, and its prediction as the next input", async () => {
  const ids = [5, 9, 33];
  using states = await OpenStates.open(await model(), { rows: 1, tokens: 3, length: 3 });
  await states.run([ids]);
  using step = await FeedbackStep.open(await model());
  const feedback = { noise: new Float32Array(step.vocabulary), temperature: 1e-4 };
  let state = step.start(ids[0]!);
  for (const id of ids) [state] = await step.next(step.withInput(state, id), state, feedback);
  const expected = states.scans.flatMap((_, l) => [...states.state(l, 0)]);
  for (const [i, value] of expected.entries()) expect(Math.abs(state[i]! - value)).toBeLessThan(1e-5);
  // At a low temperature the prediction is one token.
  const last = states.logits.subarray(2 * step.vocabulary, 3 * step.vocabulary);
  const guess = last.indexOf(Math.max(...last));
  const input = step.withInput(state, guess);
  for (const [i, value] of input.entries()) expect(Math.abs(state[i]! - value)).toBeLessThan(1e-4);
});

test("another token moves the states and is forgotten; noise is not", async () => {
  const ids = Array.from({ length: 320 }, (_, i) => 3 + ((i * i + 5 * i) % 67));
  const { tokens, oneToken, noise } = await measureDeviations(await model(), ids, 1);
  expect(tokens[0]).toBe(16);
  expect(oneToken[0]).toBe(0);
  expect(oneToken[1]).toBeGreaterThan(1e-3);
  expect(oneToken.at(-1)!).toBeLessThan(oneToken[1]! / 10);
  expect(noise.at(-1)!).toBeGreaterThan(1e-3);
});

test("a hybrid's attention layers see the tokens of earlier runs, and its recurrent layers have their own numbers", async () => {
  const hybrid = await model("granitemoehybrid");
  const ids = [5, 9, 33, 12, 60, 7, 21, 44];
  const options = { rows: 2, tokens: ids.length, length: ids.length };
  using whole = await OpenStates.open(hybrid, options);
  await whole.run([ids, ids.toReversed()]);
  using parts = await OpenStates.open(hybrid, options);
  // A reset forgets earlier tokens.
  await parts.run([ids, ids]);
  parts.reset();
  await parts.run([ids.slice(0, 3), ids.toReversed().slice(0, 3)]);
  await parts.run([ids.slice(3), ids.toReversed().slice(3)]);
  expect(parts.scans.map(({ layer }) => layer)).toEqual([0, 1, 3, 4]);
  const { vocabulary } = whole;
  const last = whole.logits.slice((ids.length - 1) * vocabulary, ids.length * vocabulary);
  const got = parts.logits.slice(0, vocabulary);
  for (const [i, value] of last.entries()) expect(Math.abs(got[i]! - value)).toBeLessThan(1e-4);
  for (const [l] of parts.scans.entries())
    for (const [i, value] of whole.state(l, 1).entries()) expect(parts.state(l, 1)[i]).toBeCloseTo(value, 4);
});

test("a histogram's bins are half decades of −λ", () => {
  const { counts, notNegative } = histogramOf([-1e-9, -2e-3, -5e-3, -0.05, 0, 1, -1e5]);
  expect(notNegative).toBe(2);
  expect(counts.map((count, i) => [i, count]).filter(([, count]) => count! > 0)).toEqual([
    [0, 1],
    [4, 1],
    [5, 1],
    [7, 1],
    [13, 1],
  ]);
});
