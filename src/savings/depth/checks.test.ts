import { expect, test } from "vitest";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { fakeDecoder } from "../attention/block-sparse/kernels.testing.ts";
import { fillFor } from "./checks.ts";

const decoder = fakeDecoder();
const recurrent = { ...decoder, config: { ...decoder.config, recurrent: () => ({}) } } as unknown as Decoder;
/** A decoder that rotates a part of each head, alike in all layers or not. */
const partly = (alike: boolean): Decoder => ({
  ...decoder,
  attention: (layer) => ({ ...decoder.attention(layer), rotated: alike ? 4 : 4 + layer }),
});

test.each([
  ["heads that are rotated whole", decoder, "copy-hidden"],
  ["heads that are rotated in part", partly(true), "copy-kv"],
  ["recurrent layers", recurrent, "ssm-partial"],
])("of several fills, %s take the first that they can", (_, model, fill) => {
  expect(fillFor("dynamax", "copy-hidden/copy-kv/ssm-partial", 1, model)).toBe(fill);
});

test.each([
  [recurrent, "copy-kv", /^dynamax: fill=copy-kv is for layers that attend, and the model's are recurrent/],
  [partly(true), "copy-hidden/ssm-partial", /^dynamax: fill=copy-hidden is for heads that are rotated as a whole/],
  [decoder, "ssm-skip", /^dynamax: fill=ssm-skip is for recurrent layers/],
] as const)("where none fits, the first says why", (model, fill, sentence) => {
  expect(() => fillFor("dynamax", fill, 1, model)).toThrow(sentence);
});
