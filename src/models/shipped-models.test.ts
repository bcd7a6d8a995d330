/** The small models that the package ships. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { shippedFolder } from "../weights/sources/index.ts";
import { fromFolder, Tokenizer } from "../weights/tokenizer/index.ts";
import { openDecoder } from "./registry.ts";
import { Stack } from "./stack.testing.ts";

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-shipped-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n";

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
