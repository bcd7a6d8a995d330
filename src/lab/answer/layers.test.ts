import { expect, test } from "vitest";
import { meanLayers } from "./decoder.ts";

test("a token's layers are all of them, or the receipt's share of dense's", () => {
  expect(meanLayers(24, { work: {} })).toBe(24);
  expect(meanLayers(24, { work: { layers: { dense: 240, run: 180 } } })).toBe(18);
});
