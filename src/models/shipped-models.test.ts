/** The small models that the package ships. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { DenoiserPrograms } from "../engine/diffusion/denoiser-programs.ts";
import { DenoiserRun } from "../engine/diffusion/denoiser-run.ts";
import { ImageTextModel } from "../engine/encoders/image-text/image-text-model.ts";
import { NoiseRunner } from "../engine/images/imagine/noise-runner.ts";
import { load } from "../library/load.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { resolveModel, shippedFolder } from "../weights/sources/index.ts";
import { fromFolder, Tokenizer } from "../weights/tokenizer/index.ts";
import { maskIdOf } from "../weights/tokenizer/special.ts";
import { traceNoise } from "./image-generator/image-generator-graphs.ts";
import { prepare } from "./programs/programs.ts";
import { Stack } from "./programs/stack.testing.ts";
import { openDecoder, openImageGenerator } from "./registry.ts";

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-shipped-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n";

const PROBABILITIES = { cat: 0.001534797, "a red car": 0.00622414, "two blue dogs and a 4": 0.992241025 };

const [QUESTION, PATH] = ["gc,ab,bd,af,fg|ac4=", "afgc"];

/** Results from transformers in float32, in nats per character. */
test.each([
  { name: "jetmoe-tiny", text: TEXT, expected: 1.390853 },
  { name: "mamba-tiny", text: TEXT, expected: 1.270073 },
  { name: "executor-tiny", text: `${QUESTION}${PATH}>f`, expected: 7.702407 },
])("$name: its likelihood of a text is transformers'", async ({ name, text, expected }) => {
  const folder = shippedFolder(name);
  const { decoder, weights } = await openDecoder(openCheckpoint(folder), path.join(prepared, name), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  const ids = new Tokenizer(fromFolder(folder)).encode(text);
  const logits = await stack.run(ids);
  const size = logits.length / ids.length;
  const nats = ids.slice(1).map((id, i) => {
    const row = logits.subarray(i * size, (i + 1) * size);
    const top = Math.max(...row);
    return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0)) - row[id]!;
  });
  expect(nats.reduce((sum, v) => sum + v, 0) / nats.length).toBeCloseTo(expected, 4);
});

/** An image with the bytes `(i * 7919) % 251`. */
function picture(): Promise<Buffer> {
  const bytes = Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => (i * 7919) % 251);
  return sharp(bytes, { raw: { width: 96, height: 96, channels: 3 } })
    .png()
    .toBuffer();
}

/** Results from transformers in float32: tools/reference/shipped.py. */
test("vlm-tiny: its log-probabilities of answers about a picture are transformers'", async () => {
  using model = await load("vlm-tiny", { quant: "f32" });
  const request = { images: [await picture()], raw: true, maxTokens: 1, temperature: 0, logprobs: 4 };
  const { tokens } = await model.complete("what is at the top?", request);
  const expected = [-2.437148, -2.465392, -2.554084, -2.590082];
  expect(tokens[0]!.top!.map(({ id }) => id)).toEqual([264, 256, 263, 257]);
  for (const [i, { logprob }] of tokens[0]!.top!.entries()) expect(logprob).toBeCloseTo(expected[i]!, 4);
});

/** Results from transformers in float32: tools/reference/shipped.py. */
test("clip-tiny: its probabilities of texts for a picture are transformers'", async () => {
  using model = await ImageTextModel.load(await resolveModel("clip-tiny"));
  const image = await picture();
  const { answers } = await model.classify([{ image }], Object.keys(PROBABILITIES));
  for (const [label, expected] of Object.entries(PROBABILITIES))
    expect(answers[0]!.scores[label]).toBeCloseTo(expected, 4);
});

/** Results from transformers' Llama in float32, with a mask that hides nothing: tools/reference/shipped.py. */
test("planner-tiny: its probabilities of a path whose places are masked are transformers'", async () => {
  const folder = shippedFolder("planner-tiny");
  const { decoder, weights } = await openDecoder(openCheckpoint(folder), path.join(prepared, "planner-tiny"), "f32");
  const tokenizer = new Tokenizer(fromFolder(folder));
  const question = tokenizer.encode(QUESTION);
  const ids = Int32Array.from([...question, ...Array(6).fill(maskIdOf(tokenizer))]);
  using programs = await DenoiserPrograms.compile(decoder, weights);
  using run = new DenoiserRun(programs, ids.length, PATH.length);
  const logits = await run.score(
    ids,
    [...PATH].map((_, i) => question.length + i),
  );
  const expected = [-1.1e-5, -1.807026, -0.528614, 0];
  for (const [i, id] of tokenizer.encode(PATH).entries()) {
    const row = logits.subarray(i * run.vocabulary, (i + 1) * run.vocabulary);
    expect(row[id]! - Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))).toBeCloseTo(expected[i]!, 4);
  }
});

/** Results from diffusers in float32, for pixels `(i * 7919) % 251`: tools/reference/shipped.py. */
test("digits-tiny: its noise in an image is diffusers'", async () => {
  const folder = shippedFolder("digits-tiny");
  const { model, weights } = await openImageGenerator(openCheckpoint(folder), path.join(prepared, "digits-tiny"));
  const [network] = prepare(weights, () => [traceNoise(model.unet)]);
  using runner = await NoiseRunner.compile(model.unet, network);
  const pixels = Float32Array.from({ length: 256 }, (_, i) => ((i * 7919) % 251) / 125 - 1);
  const noise = await runner.run(pixels, [120], [{ row: model.labels.indexOf("7") }]);
  for (const [i, expected] of [-1.025159, 0.364073, -0.796911, 0.570789].entries())
    expect(noise[i]).toBeCloseTo(expected, 4);
  expect(noise.reduce((sum, v) => sum + v, 0) / 256).toBeCloseTo(0.160076, 4);
});
