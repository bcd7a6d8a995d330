/**
 * Trains SmolLM2 to rank lists, an adapter an arm and seed: `npx tsx tools/methods/first.ts LISTS OUT STEPS
 * [ARM]`. Arms that have a receipt are skipped; one that was stopped goes on.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, train } from "../../src/index.ts";

/** The arms that the results compare; the first two have three seeds. */
const ARMS = {
  joint: { method: "first", seeds: [0, 1, 2] },
  lm: { method: "first:loss=lm", seeds: [0, 1, 2] },
  rank: { method: "first:loss=rank", seeds: [0] },
  unweighted: { method: "first:rule=ranknet", seeds: [0] },
  listnet: { method: "first:rule=listnet", seeds: [0] },
} as const;

const [data = "", out = "", steps = "24", only] = process.argv.slice(2);

for (const [arm, { method, seeds }] of Object.entries(ARMS))
  for (const seed of seeds) {
    const folder = join(out, `${arm}-${seed}`);
    if ((only !== undefined && only !== arm) || existsSync(join(folder, "receipt.json"))) continue;
    const onStep = ({ step, loss }: { step: number; loss: number }) =>
      process.stderr.write(`${arm}-${seed} step ${step} loss ${loss.toFixed(4)}\n`);
    if (existsSync(folder)) await resumeTraining(folder, { onStep });
    else
      await train(
        {
          model: "smollm2",
          data,
          method,
          seed,
          steps: Number(steps),
          // The lists of tools/first/lists.ts have 450 to 740 tokens; longer ones than this are left out.
          ...{ tokens: 704, accumulate: 4, optimizer: { lr: 2e-3 }, schedule: { name: "cosine", warmup: 3 } },
          ...{ validation: 0.02, evaluateEvery: Number(steps), saveEvery: 4 },
        },
        { out: folder, onStep },
      );
  }
