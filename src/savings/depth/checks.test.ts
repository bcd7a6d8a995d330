import { expect, test } from "vitest";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { fakeDecoder } from "../attention/block-sparse/kernels.testing.ts";
import { fillFor } from "./checks.ts";

const decoder = fakeDecoder();
const recurrent = { ...decoder, config: { ...decoder.config, recurrent: () => ({}) } } as unknown as Decoder;
/** A decoder with both kinds of layers; the layers in `states` are recurrent. */
const hybrid = (states: readonly number[], rest: Decoder = decoder): Decoder => ({
  ...rest,
  config: { ...rest.config, layers: 4, recurrent: (layer) => (states.includes(layer) ? 5 : undefined) },
});

/** A decoder that rotates part of each head: the same part in all layers if `alike`, else different parts. */
const partly = (alike: boolean): Decoder => ({
  ...decoder,
  attention: (layer) => ({ ...decoder.attention(layer), rotated: alike ? 4 : 4 + layer }),
});

test.each([
  ["heads that are rotated whole", decoder, "copy-hidden"],
  ["partly rotated heads", partly(true), "copy-kv"],
  ["recurrent layers", recurrent, "ssm-partial"],
])("of several fills, %s take the first that they can", (_, model, fill) => {
  expect(fillFor("dynamax", "copy-hidden/copy-kv/ssm-partial", 1, model)).toBe(fill);
});

test.each([
  ["layers of both kinds", hybrid([0, 2]), 2, "copy-hidden/ssm-partial"],
  ["both, with heads rotated in part", hybrid([0, 2], partly(true)), 2, "copy-kv/ssm-partial"],
  ["deeper layers that are recurrent alone", hybrid([2, 3]), 2, "ssm-partial"],
  ["deeper layers that attend alone", hybrid([0, 1]), 2, "copy-hidden"],
] as const)("of a hybrid, %s take a fill for each kind that there is", (_, model, layer, fill) => {
  expect(fillFor("dynamax", "copy-hidden/copy-kv/ssm-partial", layer, model)).toBe(fill);
  expect(fillFor("dynamax", "recompute", layer, model)).toBe("recompute");
});

test.each([
  [hybrid([2]), "copy-kv", 1, /fill=copy-kv is for layers of one kind, but this model mixes two: expected recompute, /],
  [hybrid([2]), "ssm-partial", 1, /fill=ssm-partial is for layers of one kind/],
  [hybrid([0, 1, 2]), "copy-kv/ssm-partial", 2, /is for exits after an attention layer, but the first such layer is 4/],
  [hybrid([0]), "verify", 2, /fill=verify is for models without recurrent layers, whose states cannot be rolled back/],
] as const)("what a hybrid cannot do is refused with the reason", (model, fill, layer, sentence) => {
  expect(() => fillFor("exit", fill, layer, model)).toThrow(sentence);
});

test.each([
  [recurrent, "copy-kv", /^dynamax: fill=copy-kv is for attention layers, but the model's are recurrent/],
  [partly(true), "copy-hidden/ssm-partial", /^dynamax: fill=copy-hidden is for fully rotated heads/],
  [decoder, "ssm-skip", /^dynamax: fill=ssm-skip is for recurrent layers/],
] as const)("where none fits, the first says why", (model, fill, sentence) => {
  expect(() => fillFor("dynamax", fill, 1, model)).toThrow(sentence);
});
