/**
 * Compares more of one domain while the learning rate falls with the same amount from the start: `npx tsx
 * research/moe/phases.ts OUT PROSE.txt [STEPS]` trains both arms with three seeds, then writes
 * `research/moe/results/phases.json` and its table. Finished runs stay.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Meter } from "../../src/engine/bill/meter.ts";
import { Likelihoods, natsOf } from "../../src/engine/decode/score/likelihood.ts";
import { load, trainPhases } from "../../src/index.ts";
import { figure } from "../../src/lab/report/format.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { arms } from "./arms.ts";
import { DOMAINS, type Domain, rowsOf } from "./domains.ts";

const FOLDER = "research/moe/results";
const SEEDS = [0, 1, 2];
const BATCH = 8;
/** The last fifth of the steps, in which the rate falls. */
const DECAY = 0.2;
/** The emphasised domain, and its share. */
const [MORE, SHARE]: [Domain, number] = ["sums", 0.7];
/** Held-out rows of each domain. */
const ROWS = 32;

const [out = "", prose = "", stepsText = "400"] = process.argv.slice(2);
const steps = Number(stepsText);
const late = Math.round(steps * DECAY);

/** The share of `MORE` in each phase; both arms see as much of it in all. */
const mixes = {
  "in the decay": [0.25, SHARE],
  "spread evenly": Array(2).fill((0.25 * (steps - late) + SHARE * late) / steps) as [number, number],
} as const;
type Mix = keyof typeof mixes;

function writeRows(file: string, share: number, count: number, seed: number): string {
  const others = (1 - share) / (DOMAINS.length - 1);
  const rows = DOMAINS.flatMap((domain, i) =>
    rowsOf(domain, Math.round(count * (domain === MORE ? share : others)), 100 * (seed + 1) + i, prose),
  );
  writeFileSync(
    file,
    shuffle(rows, seededRandom(seed))
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  return file;
}

async function trained(mix: Mix, seed: number): Promise<string> {
  const folder = join(out, `${mix.replaceAll(" ", "-")}-${seed}`);
  const run = join(folder, "run");
  const last = join(run, "phase-2");
  if (existsSync(join(last, "receipt.json"))) return last;
  mkdirSync(folder, { recursive: true });
  const phase = (i: 0 | 1, count: number, schedule: object) => ({
    ...{
      data: writeRows(join(folder, `phase-${i}.jsonl`), mixes[mix][i], Math.ceil(1.05 * count * BATCH), 10 * seed + i),
    },
    ...{ steps: count, evaluateEvery: count, select: "last" as const, schedule },
  });
  const onStep = ({ step, loss }: { step: number; loss: number }) => {
    if (step % 50 === 0) process.stderr.write(`${mix}, seed ${seed}: step ${step} loss ${loss.toFixed(4)}\n`);
  };
  const { architecture, method } = arms["moa + moe"];
  await trainPhases(
    {
      ...{
        architecture,
        method,
        tokenizer: "bytes",
        tokens: 128,
        batch: BATCH,
        seed,
        validation: 0.02,
        saveEvery: 100,
      },
      optimizer: { lr: 2e-3, beta2: 0.95, weightDecay: 0.1 },
      phases: [
        phase(0, steps - late, { name: "constant", warmup: 0.1 }),
        phase(1, late, { name: "wsd", minimum: 0.1, decay: 1, shape: "exponential" }),
      ],
    },
    { out: run, onStep },
  );
  return last;
}

/** Nats per character of each domain's held-out rows. */
async function losses(model: string): Promise<Record<Domain, number>> {
  using opened = await load(model, { quant: "f32" });
  const { engine, tokenizer } = opened.language;
  using likelihoods = await Likelihoods.create(engine);
  const of = async (domain: Domain, i: number) => {
    const each: number[] = [];
    for (const text of rowsOf(domain, ROWS, 9000 + i, prose, true)) {
      const ids = tokenizer.encode(text);
      each.push(-natsOf(await likelihoods.ofText(ids, 1, new Meter(engine.programs))) / (ids.length - 1));
    }
    return mean(each);
  };
  const found: [Domain, number][] = [];
  for (const [i, domain] of DOMAINS.entries()) found.push([domain, await of(domain, i)]);
  return Object.fromEntries(found) as Record<Domain, number>;
}

const all: { mix: Mix; seed: number; losses: Record<Domain, number> }[] = [];
for (const seed of SEEDS)
  for (const mix of Object.keys(mixes) as Mix[])
    all.push({ mix, seed, losses: await losses(await trained(mix, seed)) });

const spread = (values: readonly number[]) =>
  `${figure(mean(values))} [${figure(Math.min(...values))}, ${figure(Math.max(...values))}]`;
const of = (mix: Mix, domain: Domain) => all.filter((one) => one.mix === mix).map((one) => one.losses[domain]);
const rows = DOMAINS.map((domain) => {
  const [decay, even] = [of("in the decay", domain), of("spread evenly", domain)];
  return [domain, spread(decay), spread(even), spread(decay.map((loss, i) => loss - even[i]!))];
});
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
writeFileSync(join(root, FOLDER, "phases.json"), `${JSON.stringify(all, rounded, 1)}\n`);
const header = ["held-out rows of", "more sums in the decay", "same number, evenly spread", "difference by seed"];
writeSection(`${FOLDER}/README.md`, "moe/phases", markdownTable(header, rows));
