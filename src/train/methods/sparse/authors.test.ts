/** Compares masks with the authors' own code; weights change before every pruning. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { Blocks } from "./blocks.ts";
import { PruningMask } from "./mask.ts";
import { keptAfter } from "./schedule.ts";

interface Run {
  sparsity: number;
  /** For each pruning, the share of weights to retain, and the weights that remain. */
  steps: { kept: number; left: number[] }[];
}
const { repository, runs } = authorsFixture<{ runs: Run[] }>("authors.json", import.meta.url);

test.each(runs)(`weights that are left, as in ${repository}, sparsity $sparsity`, ({ sparsity, steps }) => {
  const matrices = [
    { name: "blk.0.ffn_up.weight", offset: 0, rows: 16, columns: 8 },
    { name: "blk.1.ffn_up.weight", offset: 128, rows: 8, columns: 8 },
  ];
  const mask = new PruningMask(192, [matrices.map((matrix) => new Blocks(matrix, { rows: 1, columns: 1 }))]);
  const schedule = { sparsity, start: 0, end: 0, every: 1, events: steps.length };
  for (const [event, { kept, left }] of steps.entries()) {
    const share = keptAfter(event + 1, schedule);
    expect(farthest([share], [kept])).toBeLessThanOrEqual(1e-6);
    const values = numbers(41 + event, 192);
    mask.prune(share, (blocks, index) => blocks.magnitude(index, values));
    expect([...mask.bytes.keys()].filter((at) => mask.bytes[at] === 1)).toEqual(left);
  }
});
