import { expect, test } from "vitest";
import { wildcard } from "./wildcard.ts";

test.each([
  ["blk.*.attn_q.weight", "blk.12.attn_q.weight", true],
  ["blk.*.attn_q.weight", "blk.12.attn_q.weight.x", false],
  ["blk.1.*", "blkx1.ffn", false],
  ["*", "", true],
  ["a+(b)", "a+(b)", true],
])("%s on %s: %s", (pattern, text, matches) => {
  expect(wildcard(pattern).test(text)).toBe(matches);
});
