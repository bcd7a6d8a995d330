/**
 * Trains mixtures and dense models on four domains, one arm and seed after another: `npx tsx research/moe/train.ts OUT
 * PROSE.txt [STEPS [ARM]]`. Finished arms are skipped; a stopped one resumes.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, train } from "../../src/index.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { type Arm, arms, folderOf } from "./arms.ts";
import { DOMAINS, rowsOf } from "./domains.ts";

const SEEDS = [0, 1, 2];
const BATCH = 8;

const [out = "", prose = "", steps = "400", only] = process.argv.slice(2);

/** Rows of all domains in equal numbers, one epoch. */
function writeRows(seed: number): string {
  const file = join(out, `rows-${seed}.jsonl`);
  if (existsSync(file)) return file;
  const each = Math.ceil((Number(steps) * BATCH * 1.05) / DOMAINS.length);
  const rows = DOMAINS.flatMap((domain, i) => rowsOf(domain, each, 100 * (seed + 1) + i, prose));
  const lines = shuffle(rows, seededRandom(seed)).map((text) => JSON.stringify({ text }));
  mkdirSync(out, { recursive: true });
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

for (const seed of SEEDS)
  for (const [arm, terms] of Object.entries(arms) as [Arm, (typeof arms)[Arm]][]) {
    const folder = join(out, folderOf(arm, seed));
    if ((only !== undefined && only !== arm) || existsSync(join(folder, "receipt.json"))) continue;
    const onStep = ({ step, loss }: { step: number; loss: number }) => {
      if (step % 50 === 0) process.stderr.write(`${arm}, seed ${seed}: step ${step} loss ${loss.toFixed(4)}\n`);
    };
    if (existsSync(folder)) await resumeTraining(folder, { onStep });
    else
      await train(
        {
          ...{ data: writeRows(seed), tokenizer: "bytes", tokens: 128, batch: BATCH, steps: Number(steps), seed },
          ...terms,
          ...{ validation: 0.02, evaluateEvery: Number(steps), saveEvery: 100 },
          optimizer: { lr: 2e-3, beta2: 0.95, weightDecay: 0.1 },
        },
        { out: folder, onStep },
      );
  }
