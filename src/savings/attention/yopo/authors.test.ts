/** Compares layers with the authors' own code, with the same weights. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorsModel, HASH } from "../../../engine/decode/run/authors.testing.ts";
import { authorsFixture, farthest } from "../../../util/authors.testing.ts";
import { Entries } from "./tiles.ts";

interface Case {
  radius: number;
  ffn: number;
  /** Key-value heads of each layer that visual tokens use. */
  kept: boolean[][];
  logits: number[];
}
interface Fixture {
  layers: number;
  side: number;
  cases: Case[];
  /** Cells that a cell attends to. */
  neighbours: { radius: number; cells: Record<string, number[]> }[];
}
const fixture = authorsFixture<Fixture>("authors.json", import.meta.url);
const { layers, side } = fixture;
const grid = [side, side] as const;
const prompt = { before: [3, 4, 5], side, seed: 78, after: [20, 21, 22, 23] };

let model: AuthorsModel;
beforeAll(async () => {
  model = await AuthorsModel.create(layers);
});
afterAll(() => model[Symbol.dispose]());

function recipeOf({ radius, ffn, kept }: Case): string {
  const recipe = `yopo:radius=${radius},ffn=${ffn}`;
  if (!kept.flat().includes(false)) return recipe;
  const heads = join(model.folder, "heads.json");
  const ratios = kept.map((row) => row.map(Number));
  writeFileSync(heads, JSON.stringify({ modelSha256: HASH, keep: 0.5, ratios, kept }));
  return `${recipe},heads=${heads},drop=post-softmax-zero`;
}

describe(`visual tokens compute as in ${fixture.repository}`, () => {
  test.each(fixture.cases)("radius $radius, ffn $ffn, heads $kept", async (of) => {
    const { logits } = await model.run(recipeOf(of), prompt);
    expect(farthest(logits, of.logits)).toBeLessThanOrEqual(1e-5);
  });

  test.each(fixture.neighbours)("neighbours within $radius", ({ radius, cells }) => {
    const image = { first: 3, grid };
    const sees = new Entries([image], [...Array(3 + side * side).keys()]).sees({ radius, causal: false });
    for (const [cell, expected] of Object.entries(cells)) {
      const seen = Array.from({ length: side * side }, (_, key) => key).filter((key) =>
        sees(3 + Number(cell), 3 + key),
      );
      expect(seen).toEqual(expected);
    }
  });
});
