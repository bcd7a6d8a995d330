import { describe, expect, test } from "vitest";
import { visualFlops } from "./flops.testing.ts";

describe("FLOPs of the paper's tables", () => {
  const of7 = { tokens: 576, hidden: 4096, intermediate: 11008 };
  const of13 = { tokens: 576, hidden: 5120, intermediate: 13824 };
  const cuts = (layers: number, heads: number, neighbours: number, ffn: number) => ({
    ...{ neighbours, ffn },
    heads: Array.from({ length: layers }, () => heads),
  });
  test.each([
    ["7B", of7, cuts(32, 1, 576, 1), 7.634],
    ["13B", of13, cuts(40, 1, 576, 1), 14.888],
    ["7B at a quarter", of7, cuts(16, 0.5, 576, 0.5), 1.909],
    ["13B at a quarter", of13, cuts(20, 0.5, 576, 0.5), 3.722],
    ["7B at an eighth", of7, cuts(16, 0.25, 576, 0.25), 7.634 / 8],
    ["13B with the released settings", of13, cuts(20, 0.75, 25, 0.5), 4.26],
  ])("%s", (_, sizes, cut, printed) => {
    expect(Math.abs(visualFlops(sizes, cut) / 1e12 / printed - 1)).toBeLessThan(1e-3);
  });
});
