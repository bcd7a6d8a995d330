import { describe, expect, test } from "vitest";
import { Rig } from "./block-sparse/kernels.testing.ts";
import * as masks from "./block-sparse/masks.testing.ts";
import { blockSize, request } from "./block-sparse/planted.testing.ts";
import { triShapeChooser, triShapeMask, triShapeOptions } from "./tri-shape.ts";

describe("tri-shape", () => {
  test.each([
    [16, 1],
    [17, 2],
    [40, 33],
    [1, 160],
    [0, 1],
  ])("sink %d, window %d: exactly the blocks that hold a kept token", (sinkTokens, windowTokens) => {
    const mask = triShapeMask({ heads: 2, rows: 12, rowOffset: 5 }, { blockSize, sinkTokens, windowTokens });
    for (let row = 0; row < 12; row++)
      for (let block = 0; block <= row + 5; block++) {
        let holds = false;
        for (let query = (row + 5) * blockSize; query < (row + 6) * blockSize; query++)
          for (let key = block * blockSize; key <= Math.min(query, (block + 1) * blockSize - 1); key++)
            holds ||= key < sinkTokens || query - key < windowTokens;
        for (const head of [0, 1]) expect(mask.has(head, row, block), `row ${row} block ${block}`).toBe(holds);
      }
  });

  test("the third side: the last rows are dense", () => {
    const mask = triShapeMask({ ...request, denseFrom: 38 }, { blockSize, sinkTokens: 16, windowTokens: 32 });
    expect([37, 38, 39].map((row) => mask.row(0, row).length)).toEqual([4, 39, 40]);
  });
});

test.each(masks.chunks)("a chunk, %d before, %d tokens: the mask of whole prompts", async (past, tokens) => {
  using rig = await Rig.create(masks);
  const { blockSize } = masks;
  const options = triShapeOptions.parse({ blockSize, sinkTokens: 32, windowTokens: 64 });
  using chooser = await triShapeChooser(options, rig.limits);
  const expected = triShapeMask({ ...masks.requestOf(past, tokens), denseFrom: 10 }, options);
  expect(masks.drawn(await masks.maskOf(rig, chooser, [past, tokens], 10))).toEqual(masks.drawn(expected));
});
