import { expect, test } from "vitest";
import { interpret } from "../../../graph/interpret.testing.ts";
import { ndarray } from "../../../graph/ndarray.ts";
import { traceHeads } from "./graphs.ts";
import type { HeadDrop } from "./options.ts";

const [TOKENS, TEXT] = [4, [0, 3]];
const HIDDEN = Number.NEGATIVE_INFINITY;

/**
 * The attention of text tokens at positions 0 and 3, around two visual tokens. Keys are equal and values 1, so results
 * are sums of weights.
 */
function sums(drop: HeadDrop): number[] {
  const keys = drop === "pre-softmax-mask" ? TEXT : [...TEXT, 1, 2];
  const mask = [...keys.map((key) => (key === 0 ? 0 : HIDDEN)), ...keys.map(() => 0)];
  const ones = new Array<number>(TOKENS).fill(1);
  const feeds = {
    ...{ q: ndarray([1, TOKENS, 1], ones), heads: ndarray([1], [0]), kvHeads: ndarray([1], [0]) },
    ...{ keys: ndarray([1, 1, TOKENS, 1], ones), values: ndarray([1, 1, TOKENS, 1], ones) },
    ...{ textQueries: ndarray([1, 2], TEXT), textKeys: ndarray([1, keys.length], keys), seen: ndarray([2], [0, 1]) },
    ...{ textMask: ndarray([1, 2, keys.length], mask), zeros: ndarray([1, 2, 1]) },
  };
  const sizes = { some: 1, textTiles: 1, textQueries: 2, textKeys: keys.length, seen: 2, zeroSlots: 2 };
  const graph = traceHeads({ heads: 1, kvHeads: 1, headSize: 1, blockSize: 1 }, 1, drop);
  return [...interpret(graph, feeds, { ...sizes, tokens: TOKENS, capacity: TOKENS })["attended"]!.data];
}

test("weights sum to 1 if dropped visual keys are hidden before the softmax, to less if zeroed after it", () => {
  expect(sums("pre-softmax-mask")).toEqual([0, 0, 1, 1]);
  expect(sums("post-softmax-zero")).toEqual([0, 0, 1, 0.5]);
});
