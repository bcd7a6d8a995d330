/**
 * Trains SmolLM2 to rank lists, one adapter per arm and seed: `npx tsx research/first/train.ts LISTS OUT STEPS [ARM
 * [TOKENS [START]]]`. Finished arms are skipped; a stopped one resumes. Lists of more than TOKENS are left out: those
 * of research/first/lists.ts have 450 to 740, of five passages of 24 words 190 to 300. START is a run whose adapter is
 * the first, such as that of research/first/lookups-whole.yaml.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, train } from "../../src/index.ts";

/** All matrices of a layer: looking up passages by their letters also needs keys and outputs. */
const TARGETS = "attn_q,attn_k,attn_v,attn_output,ffn_gate,ffn_up,ffn_down";

/** The arms that the results compare; the first two have three seeds. */
const ARMS = {
  joint: { method: "first", seeds: [0, 1, 2] },
  lm: { method: "first:loss=lm", seeds: [0, 1, 2] },
  rank: { method: "first:loss=rank", seeds: [0] },
  unweighted: { method: "first:rule=ranknet", seeds: [0] },
  listnet: { method: "first:rule=listnet", seeds: [0] },
} as const;

const [data = "", out = "", steps = "24", only, tokens = "704", start] = process.argv.slice(2);

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
          ...{
            ...(start === undefined ? {} : { start }),
            tokens: Number(tokens),
            lora: { rank: 8, targets: TARGETS },
            accumulate: 4,
            optimizer: { lr: start === undefined ? 1e-3 : 3e-4 },
            schedule: { name: "cosine", warmup: 8 },
          },
          ...{ validation: 0.02, evaluateEvery: Number(steps), saveEvery: 4 },
        },
        { out: folder, onStep },
      );
  }
