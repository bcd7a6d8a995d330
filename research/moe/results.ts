/**
 * Compares the trained arms and writes `research/moe/results`: `npx tsx research/moe/results.ts OUT PROSE.txt`, after
 * train.ts; arms missing from OUT keep their earlier results. Routers are read on rows that no training has seen.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reshape } from "../../src/graph/index.ts";
import { figure, flopsText } from "../../src/lab/report/format.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { type Arm, arms, folderOf } from "./arms.ts";
import { DOMAINS, ROW, rowsOf } from "./domains.ts";
import { information } from "./information.ts";
import { readRouters } from "./routers.ts";

const FOLDER = "research/moe/results";
const SEEDS = [0, 1, 2];
/** Rows of each domain that routers are read on. */
const ROWS = 24;

/** Statistics of a model's routing choices, averaged over routers. */
interface Routing {
  /** The greatest share of all choices that falls on one expert, of any router. */
  readonly greatest: number;
  readonly least: number;
  /** Mean square of log Σ exp of the logits. */
  readonly z: number;
  /** Mutual information of a token's domain and its first expert, in bits, and with the domains dealt out at random. */
  readonly information: number;
  readonly shuffled: number;
}

interface Found {
  readonly arm: Arm;
  readonly seed: number;
  /** Nats per character on rows of the same kinds that were held out. */
  readonly loss: number;
  /** FLOPs of a token, forwards. */
  readonly flops: number;
  readonly routing?: Routing;
}

const [out = "", prose = ""] = process.argv.slice(2);
/** Results of earlier runs: arms that OUT does not hold stay. */
const before: readonly Found[] = JSON.parse(readFileSync(join(root, FOLDER, "arms.json"), "utf8"));

async function found(arm: Arm, seed: number): Promise<Found[]> {
  const folder = join(out, folderOf(arm, seed));
  if (!existsSync(join(folder, "receipt.json"))) return before.filter((one) => one.arm === arm && one.seed === seed);
  const { flops, tokens } = JSON.parse(readFileSync(join(folder, "receipt.json"), "utf8"));
  const last = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n").at(-1)!;
  const routing = "method" in arms[arm] ? { routing: await routingOf(folder) } : {};
  return [{ arm, seed, loss: JSON.parse(last).validation, flops: flops.forward / tokens, ...routing }];
}

async function routingOf(model: string): Promise<Routing> {
  const texts = DOMAINS.flatMap((domain, i) => rowsOf(domain, ROWS, 9000 + i, prose, true));
  const domains = texts.flatMap((_, row) => Array<number>(ROW).fill(Math.floor(row / ROWS)));
  const logits = await readRouters(
    model,
    (tokenizer) => ({ ids: texts.flatMap((text) => tokenizer.encode(text).slice(0, ROW)), tokens: ROW }),
    (rows, experts) => ({ size: rows * ROW * experts, of: (x) => reshape(x, [rows * ROW * experts]) }),
  );
  const random = seededRandom(1);
  const all = Object.values(logits).map((values) => {
    const experts = values.length / domains.length;
    const rows = domains.map((_, i) => values.subarray(i * experts, (i + 1) * experts));
    const pairs = rows.map(likeliestTwo);
    const counts = Array.from({ length: experts }, (_, e) => pairs.filter((pair) => pair.includes(e)).length);
    const shares = counts.map((n) => n / (2 * rows.length));
    const first = pairs.map(([expert]) => expert);
    return {
      ...{ greatest: Math.max(...shares), least: Math.min(...shares), z: mean(rows.map((row) => logSumExp(row) ** 2)) },
      information: information(domains, first),
      shuffled: information(shuffle([...domains], random), first),
    };
  });
  const over = (of: (one: (typeof all)[number]) => number) => mean(all.map(of));
  return {
    greatest: Math.max(...all.map(({ greatest }) => greatest)),
    least: Math.min(...all.map(({ least }) => least)),
    ...{ z: over(({ z }) => z), information: over((one) => one.information), shuffled: over((one) => one.shuffled) },
  };
}

function likeliestTwo(logits: Float32Array): [number, number] {
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!);
  return [order[0]!, order[1]!];
}

function logSumExp(logits: Float32Array): number {
  const most = Math.max(...logits);
  return most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
}

const all: Found[] = [];
for (const arm of Object.keys(arms) as Arm[]) for (const seed of SEEDS) all.push(...(await found(arm, seed)));

/** The mean over seeds, with the least and the greatest. */
function spread(values: readonly number[]): string {
  if (values.length === 0) return "–";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${figure(mean(values))}${values.length > 1 ? ` [${figure(low)}, ${figure(high)}]` : ""}`;
}

const reference = (seed: number) => all.find((one) => one.arm === "dense" && one.seed === seed);
const names = (Object.keys(arms) as Arm[]).filter((arm) => all.some((one) => one.arm === arm));
const rows = names.map((arm) => {
  const own = all.filter((one) => one.arm === arm);
  const less = own.flatMap(({ loss, seed }) => (reference(seed) ? [loss - reference(seed)!.loss] : []));
  const routing = own.flatMap((one) => one.routing ?? []);
  const of = (part: (one: Routing) => number) => spread(routing.map(part));
  return [
    ...[arm, `${own.length}`, flopsText(own[0]!.flops), spread(own.map(({ loss }) => loss))],
    arm === "dense" ? "" : spread(less),
    ...[of((one) => one.greatest), of((one) => one.least), of((one) => one.z)],
    ...[of((one) => one.information), of((one) => one.shuffled)],
  ];
});
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
mkdirSync(join(root, FOLDER), { recursive: true });
writeFileSync(join(root, FOLDER, "arms.json"), `${JSON.stringify(all, rounded, 1)}\n`);
writeSection(
  `${FOLDER}/README.md`,
  "moe/results",
  markdownTable(
    [
      ...["model", "seeds", "FLOPs a token", "held-out loss", "minus dense's", "greatest share", "least share"],
      ...["z", "bits of the domain in the first expert", "domains shuffled"],
    ],
    rows,
  ),
);
