/** Compares kept tokens and logits with FastV's own code, whose scores are a softmax over all tokens. */
import { expect, test } from "vitest";
import { AuthorsModel } from "../../../engine/decode/run/authors.testing.ts";
import { authorsFixture, farthest } from "../../../util/authors.testing.ts";

interface Fixture {
  layers: number;
  side: number;
  kept: number[];
  logits: number[];
}
const { repository, ...fixture } = authorsFixture<Fixture>("fastv.json", import.meta.url);

test(`half of the visual tokens go after layer 3, as in ${repository}`, async () => {
  using model = await AuthorsModel.create(fixture.layers);
  const before = Array.from({ length: 35 }, (_, i) => i);
  const prompt = { before, side: fixture.side, seed: 79, after: [20, 21, 22, 23] };
  const { logits, held } = await model.run("feather:after=3,ratio=0.5,mode=fastv", prompt);
  expect(held[3]).toEqual(fixture.kept);
  expect(held[2]!.length).toBe(fixture.side ** 2);
  expect(farthest(logits, fixture.logits)).toBeLessThanOrEqual(1e-5);
});
