import { expect, test } from "vitest";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Part } from "./answers.ts";
import { FlatLogprobs } from "./flat-logprobs.ts";

const tokens = [[0xe6, 0x97], [0xa5], [0xe6, 0x9c], [0xef, 0xbf, 0xbd], [...Buffer.from("😀")], [0x61], [0x61], []];
const tokenizer = {
  bytes: (id: number) => Uint8Array.from(tokens[id]!),
  stopIds: new Set([7]),
  isSpecial: (id: number) => id === 7,
} as unknown as Tokenizer;

/** A piece of an answer with these tokens, each with alternatives, the likeliest first. */
const part = (...ids: number[]): Part => ({
  choice: 0,
  text: "",
  tokenizer,
  tokens: ids.map((id) => ({
    id,
    logprob: -id,
    top: [0, 1, 2, 3, 5, 6].map((other) => ({ id: other, logprob: -other })),
  })),
});

test("tokens of incomplete characters are distinguished by their bytes, and none gets lost", () => {
  const { tokens: names, top_logprobs: top } = new FlatLogprobs("").of([part(0, 1, 3)]);
  expect(names).toEqual(["bytes:\\xe6\\x97", "bytes:\\xa5", "\ufffd"]);
  const all = { "bytes:\\xe6\\x97": -0, "bytes:\\xa5": -1, "bytes:\\xe6\\x9c": -2, "\ufffd": -3, a: -5 };
  expect(top).toEqual([all, all, all]);
});

test("the chosen token is listed beside the likeliest, if it is not one of them", () => {
  expect(new FlatLogprobs("").of([part(4)]).top_logprobs).toEqual([expect.objectContaining({ "😀": -4, a: -5 })]);
});

test("each token begins at its character, counted from the prompt's beginning, across pieces", () => {
  const flat = new FlatLogprobs("a😀");
  expect(flat.of([part(5, 0)]).text_offset).toEqual([2, 3]);
  expect(flat.of([part(1), part(4, 5, 7)]).text_offset).toEqual([3, 4, 5]);
});

test("an echoed prompt comes first, its first token without a prediction, and the end token is included", () => {
  const { tokens: scored } = part(5, 0, 1, 4);
  const prompt = [{ id: 5 }, ...scored.slice(1)];
  const flat = new FlatLogprobs("a日😀", true).of([{ ...part(6, 7), prompt }]);
  expect(flat.tokens).toEqual(["a", "bytes:\\xe6\\x97", "bytes:\\xa5", "😀", "a", ""]);
  expect(flat.token_logprobs).toEqual([null, -0, -1, -4, -6, -7]);
  expect(flat.top_logprobs.map((top) => top && Object.keys(top).length)).toEqual([null, 5, 5, 6, 5, 6]);
  expect(flat.text_offset).toEqual([0, 1, 1, 2, 3, 4]);
});
