import { expect, test } from "vitest";
import { meanLayers } from "./decoder.ts";

test("layers of a token are all of them, or what the receipt counts of dense's", () => {
  expect(meanLayers(24, { work: {} })).toBe(24);
  expect(meanLayers(24, { work: { layers: { dense: 240, run: 180 } } })).toBe(18);
});
