/** The small models that the package ships. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { ImageTextModel } from "../engine/image-text/image-text-model.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { resolveModel, shippedFolder } from "../weights/sources/index.ts";
import { fromFolder, Tokenizer } from "../weights/tokenizer/index.ts";
import { openDecoder } from "./registry.ts";
import { Stack } from "./stack.testing.ts";

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-shipped-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n";

const PROBABILITIES = { cat: 0.024738366, "a red car": 0.00498937, "two blue dogs and a 4": 0.970272243 };

/** By transformers in float32, nats a character. */
test.each([
  { name: "jetmoe-tiny", expected: 1.390853 },
  { name: "mamba-tiny", expected: 1.270073 },
])("$name: its likelihood of a text is transformers'", async ({ name, expected }) => {
  const folder = shippedFolder(name);
  const { decoder, weights } = openDecoder(openCheckpoint(folder), path.join(prepared, name), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  const ids = new Tokenizer(fromFolder(folder)).encode(TEXT);
  const logits = await stack.run(ids);
  const size = logits.length / ids.length;
  const nats = ids.slice(1).map((id, i) => {
    const row = logits.subarray(i * size, (i + 1) * size);
    const top = Math.max(...row);
    return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0)) - row[id]!;
  });
  expect(nats.reduce((sum, v) => sum + v, 0) / nats.length).toBeCloseTo(expected, 4);
});

/** By transformers in float32, for a picture whose bytes are `(i * 7919) % 251`. */
test("clip-tiny: its probabilities of texts for a picture are transformers'", async () => {
  using model = await ImageTextModel.load(await resolveModel("clip-tiny"));
  const bytes = Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => (i * 7919) % 251);
  const image = await sharp(bytes, { raw: { width: 96, height: 96, channels: 3 } })
    .png()
    .toBuffer();
  const { answers } = await model.classify([{ image }], Object.keys(PROBABILITIES));
  for (const [label, expected] of Object.entries(PROBABILITIES))
    expect(answers[0]!.scores[label]).toBeCloseTo(expected, 4);
});
