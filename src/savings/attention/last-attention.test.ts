import { expect, test } from "vitest";
import { Bill, config, difference, Rig, randomPrompt } from "./block-sparse/kernels.testing.ts";
import { chunkOf, probabilities } from "./block-sparse/oracle.testing.ts";
import { LastQueries } from "./last-attention.ts";

const { heads, headSize } = config;

test("the last queries' probabilities are exact", async () => {
  using rig = await Rig.create({ blockSize: 32 });
  const prompt = randomPrompt(7, 160);
  const chunk = await rig.place(prompt, 64, 50);
  const bill = new Bill();
  using last = await LastQueries.create(rig.kernels.shape, 1 / Math.sqrt(headSize));
  const { probabilities: got } = await last.attend(rig.placed(chunk, bill), 20);
  const expected = prompt.flatMap((head) =>
    probabilities(chunkOf(head, 64, 50))
      .slice(30)
      .flatMap((row) => [...row, ...new Array<number>(114 - row.length).fill(0)]),
  );
  expect(difference(got, expected)).toBeLessThanOrEqual(1e-6);
  expect(bill.caused.flops).toBeGreaterThanOrEqual(2 * heads * 20 * 114 * headSize);
});
