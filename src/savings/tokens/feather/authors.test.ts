/** Compares kept tokens and logits with the authors' own code, with the same weights. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorsModel } from "../../../engine/decode/run/authors.testing.ts";
import { authorsFixture, farthest } from "../../../util/authors.testing.ts";

interface Case {
  after: number[];
  /** The share of dropped visual tokens. */
  ratio: number;
  rotary: boolean;
  /** The grid's stride in cells; 0 without a grid. */
  stride: number;
  /** The kept cells of each stage. */
  kept: number[][];
  logits: number[];
}
const fixture = authorsFixture<{ layers: number; side: number; cases: Case[] }>("authors.json", import.meta.url);
const prompt = { before: [3], side: fixture.side, seed: 77, after: [20, 21, 22, 23] };

let model: AuthorsModel;
beforeAll(async () => {
  model = await AuthorsModel.create(fixture.layers);
});
afterAll(() => model[Symbol.dispose]());

const recipeOf = ({ after: [first, second], ratio, rotary, stride }: Case): string =>
  [
    `feather:after=${first},ratio=${ratio},mode=${rotary ? "fastv" : "feather"},stride=${stride},score=image`,
    ...(second === undefined ? [] : [`second=${second}`]),
  ].join();

describe(`visual tokens as ${fixture.repository} prunes them`, () => {
  test.each(fixture.cases)("before layers $after: $ratio gone, rotary $rotary, stride $stride", async (of) => {
    const { logits, held } = await model.run(recipeOf(of), prompt);
    for (const [stage, after] of of.after.entries()) expect(held[after]).toEqual(of.kept[stage]);
    expect(held[of.after[0]! - 1]!.length).toBe(fixture.side ** 2);
    expect(farthest(logits, of.logits)).toBeLessThanOrEqual(1e-5);
  });
});
