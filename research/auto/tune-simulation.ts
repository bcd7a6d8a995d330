/**
 * Simulates tunings of recipes whose true loss is known, and writes how often a certificate is wrong, with the table of
 * research/auto/README.md: `npx tsx research/auto/tune-simulation.ts [RUNS]`.
 */
import { broken, type Simulation, simulate, worlds } from "../../src/lab/tune/simulation.testing.ts";
import { seededRandom } from "../../src/util/random.ts";
import { bet, noWealth } from "../../src/util/risk/wealth.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { markdownTable, writeSection } from "../../tools/section.ts";

const runs = Number(process.argv[2] ?? 1000);
const shown = (row: object): void => void process.stderr.write(`${JSON.stringify(row)}\n`);

async function rows(): Promise<Simulation[]> {
  const found: Simulation[] = [];
  for (const world of worlds) {
    found.push(await simulate(world, runs));
    shown(found.at(-1)!);
  }
  return found;
}

async function brokenRows(): Promise<(Simulation & { tuner: string })[]> {
  const found: (Simulation & { tuner: string })[] = [];
  for (const { name, world, procedure } of broken) {
    const simulated = await simulate(worlds.find((each) => each.name === world)!, runs, procedure);
    found.push({ tuner: name, ...simulated });
    shown(found.at(-1)!);
  }
  return found;
}

const [RISK, OFF, STREAM] = [0.02, 20, 5000];

/** The number of audited items until a certificate is switched off, for a given true loss; null if it never is. */
function audited(loss: number, good: number): { loss: number; good: number; off: number; median: number | null } {
  const random = seededRandom(29);
  const stream = (): number => {
    let state = noWealth;
    for (let i = 0; i < good; i++) state = bet(state, 0, "binary", RISK);
    for (let i = 1; i <= STREAM; i++) {
      state = bet(state, random() < loss ? 1 : 0, "binary", RISK);
      if (state.wealth >= OFF) return i;
    }
    return Number.POSITIVE_INFINITY;
  };
  const found = Array.from({ length: runs }, stream).toSorted((a, b) => a - b);
  const median = found[Math.floor(runs / 2)]!;
  return {
    loss,
    good,
    off: found.filter(Number.isFinite).length / runs,
    median: Number.isFinite(median) ? median : null,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The table of the page. */
function page(tunings: readonly Simulation[], wrongTuners: readonly (Simulation & { tuner: string })[]): void {
  const named = [
    ...tunings.map((row) => [row.world, row] as const),
    ...wrongTuners.map((row) => [`a broken tuner: ${row.tuner}`, row] as const),
  ];
  const rows = named.map(([name, { wrong, certified, saving, admissible }]) => [
    name,
    percent(wrong),
    percent(certified),
    admissible > 0 ? `${percent(saving)} of ${percent(admissible)}` : "",
  ]);
  const head = ["recipes", "wrong", "certified", "saved, of the admissible maximum"];
  writeSection("research/auto/README.md", "tune-simulation", markdownTable(head, rows));
}

async function main(): Promise<void> {
  const [tunings, wrongTuners] = [await rows(), await brokenRows()];
  const drifts = [0.02, 0.05, 0.1, 0.2, 0.5].map((loss) => audited(loss, 0));
  const audits = [...drifts, audited(0.2, 1000)];
  page(tunings, wrongTuners);
  await writeJson("research/auto/results/simulation.json", {
    runs,
    confidence: 0.95,
    tunings,
    broken: wrongTuners,
    audits,
  });
}

await main();
