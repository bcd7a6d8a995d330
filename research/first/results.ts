/** Writes the tables of research/first/results from its rows: `npx tsx research/first/results.ts`. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { LAMBDAS, type RankLossName, rankLosses } from "../../src/train/methods/first/losses.ts";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { interval, signed } from "../common/figures.ts";
import { median } from "../common/median.ts";
import { meanOfParts } from "../common/shares.ts";
import type { Row } from "./arms.ts";
import { jsonRows } from "./json-rows.ts";
import { tau } from "./tau.ts";

const RESULTS = join(root, "research/first/results");
const SEED = { seed: 0 };

/** An arm's row, on the queries that it shares with the first stage. */
function armRow(arm: string, rows: readonly Row[], before: ReadonlyMap<string, Row>): string[] {
  const parts = rows.map(({ ndcg }) => [ndcg]);
  const { quality, ci95 } = bootstrap(parts, meanOfParts, SEED);
  const delta = pairedDelta(
    parts,
    rows.map(({ query }) => [before.get(query)!.ndcg]),
    meanOfParts,
    SEED,
  );
  const ran = rows.some(({ flops }) => flops.spent > 0);
  const ordered = arm !== "first-stage" && rows[0]!.order.length > 0;
  const bias = ordered ? mean(rows.map((row) => tau(before.get(row.query)!.order, row.order))).toFixed(2) : "";
  return [
    `\`${arm}\``,
    String(rows.length),
    `${quality.toFixed(3)} ${interval(ci95)}`,
    arm === "first-stage" ? "" : `${signed(delta.mean)} ${interval(delta.ci95)}`,
    bias,
    ran ? (mean(rows.map(({ flops }) => flops.spent)) / 1e9).toFixed(0) : "",
    rows[0]!.decoded ? mean(rows.map(({ decoded }) => decoded!.run)).toFixed(1) : "",
    ran ? (median(rows.map(({ ms }) => ms.prefill)) / 1000).toFixed(1) : "",
    ran ? (median(rows.map(({ ms }) => ms.decode)) / 1000).toFixed(2) : "",
  ];
}

const HEAD = [
  "arm",
  "queries",
  "nDCG@10",
  "against the first stage",
  "τ with it",
  "GFLOPs",
  "decoded",
  "prefill, s",
  "decode, s",
];

function tableOf(file: string): string {
  const rows = jsonRows<Row>(join(RESULTS, file));
  const byArm = new Map<string, ReadonlyMap<string, Row>>();
  for (const { arm } of rows)
    byArm.set(arm, new Map(rows.filter((row) => row.arm === arm).map((row) => [row.query, row])));
  for (const [arm, rows] of overSeeds(byArm)) byArm.set(arm, rows);
  const before = byArm.get("first-stage")!;
  const [first, top, source] = file.replace(".jsonl", "").split("-");
  const lines = [...byArm].map(([arm, own]) => armRow(arm, [...own.values()], before));
  const suffix = source === "keep" ? ", sources among them" : "";
  return [
    `${first === "boolq" ? "BoolQ, first stage bm25" : `First stage ${first}`}, its first ${top} documents${suffix}:\n`,
    markdownTable(HEAD, lines),
    ...differences(byArm),
    ...biases(byArm),
    ...[...byArm].filter(([arm]) => arm.includes("generate")).map(([arm]) => letters(arm, byArm, rows)),
  ].join("\n");
}

type Arms = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** Means over the seeds of a training, by the arm's name without the seed; the documents' order is dropped. */
function overSeeds(arms: Arms): Map<string, ReadonlyMap<string, Row>> {
  const groups = new Map<string, (readonly [string, ReadonlyMap<string, Row>])[]>();
  for (const [arm, rows] of arms) {
    const name = arm.replace(/-\d+\./, ".");
    if (name !== arm) groups.set(name, [...(groups.get(name) ?? []), [arm, rows]]);
  }
  const several = [...groups].filter(([, seeds]) => seeds.length > 1);
  return new Map(
    several.map(([arm, seeds]) => [
      arm,
      meanRows(
        arm,
        seeds.map(([, rows]) => rows),
      ),
    ]),
  );
}

function meanRows(arm: string, seeds: readonly ReadonlyMap<string, Row>[]): ReadonlyMap<string, Row> {
  const [first, ...others] = seeds;
  const shared = [...first!].filter(([query]) => others.every((rows) => rows.has(query)));
  return new Map(
    shared.map(([query, row]) => {
      const ndcgs = seeds.map((rows) => rows.get(query)!.ndcg);
      return [query, { ...row, arm, order: [], ndcg: mean(ndcgs) }];
    }),
  );
}

/** Rows of the queries that both arms have. */
function both(arms: Arms, a: string, b: string): (readonly [Row, Row])[] {
  const [own, other] = [arms.get(a), arms.get(b)];
  return [...(own ?? [])].flatMap(([query, row]) => (other?.has(query) ? [[row, other.get(query)!] as const] : []));
}

/** Comparisons that the method's claims rest on. */
const CLAIMS = [
  ["lm.single-token", "untrained.single-token"],
  ["joint.single-token", "untrained.single-token"],
  ["joint.single-token", "lm.single-token"],
  ["rank-0.single-token", "joint.single-token"],
  ["unweighted-0.single-token", "joint.single-token"],
  ["listnet-0.single-token", "joint.single-token"],
  ["joint-0.single-token", "joint-0.generate"],
  ["start.single-token", "random"],
  ["joint-0.single-token", "start.single-token"],
  ["more.single-token", "random"],
  ["world-joint.single-token", "more.single-token"],
  ["world-joint.single-token", "random"],
  ["more-joint.single-token", "untrained.single-token"],
  ["words-joint.single-token", "more-joint.single-token"],
  ["text-joint.single-token", "world-joint.single-token"],
  ["text-joint.single-token", "random"],
  ["ranker-joint-0.single-token", "untrained.single-token"],
  ["ranker-joint.single-token", "untrained.single-token"],
  ["ranker-lm.single-token", "untrained.single-token"],
  ["ranker-joint.single-token", "ranker-lm.single-token"],
] as const;

function differences(arms: Arms): string[] {
  return CLAIMS.flatMap(([a, b]) => {
    const pairs = both(arms, a, b);
    if (pairs.length === 0) return [];
    const [own, other] = [0, 1].map((side) => pairs.map((pair) => [pair[side]!.ndcg]));
    const { mean: by, ci95 } = pairedDelta(own!, other!, meanOfParts, SEED);
    return [`\n\`${a}\` minus \`${b}\`: ${signed(by)} ${interval(ci95)} on ${pairs.length} queries.`];
  });
}

/** How much an order changes if the list is read from its end. */
const biases = (arms: Arms): string[] =>
  [...arms.keys()].flatMap((arm) => {
    const pairs = both(arms, arm, `${arm}.reversed`);
    if (pairs.length === 0) return [];
    const same = mean(pairs.map(([a, b]) => tau(a.order, b.order)));
    const moved = mean(pairs.map(([a, b]) => mean(a.order.map((id, i) => Math.abs(b.order.indexOf(id) - i)))));
    return [
      `\n\`${arm}\` reads the list in reverse: τ ${same.toFixed(2)} with its order for the original list; documents move by ${moved.toFixed(1)} places (${pairs.length} queries).`,
    ];
  });

/** How closely the written ranking follows the logits of its first letter. */
function letters(arm: string, arms: Arms, rows: readonly Row[]): string {
  const windows = [...arms.get(arm)!.values()].flatMap(({ windows = [] }) => windows);
  const same = windows.filter(({ order, byLogit }) => order[0] === byLogit[0]).length;
  const agreement = mean(windows.map(({ order, byLogit }) => tau([...order], [...byLogit])));
  const written = windows.map(({ text = "" }) => new Set(text.match(/[A-Z]/g)).size);
  return `\n\`${arm}\`: ${same} of ${windows.length} written rankings begin with the letter of the greatest logit, and τ between the written order and the logits' is ${agreement.toFixed(2)}. They name ${mean(written).toFixed(1)} different letters on average; the parser adds the missing ones.${saved(arm, arms, rows)}`;
}

/**
 * The maximum distance, in lines, of two rows that were measured alternately, so that the machine's pace affected both.
 */
const TURN = 8;

/** The time saved by not writing the ranking, beside decoding's share of the time. */
function saved(arm: string, arms: Arms, rows: readonly Row[]): string {
  const pairs = both(arms, arm, arm.replace("generate", "single-token")).filter(
    ([a, b]) => Math.abs(rows.indexOf(a) - rows.indexOf(b)) <= TURN,
  );
  if (pairs.length === 0) return "";
  const time = ({ ms }: Row) => ms.prefill + ms.decode;
  const whole = pairs.reduce((sum, [wrote]) => sum + time(wrote), 0);
  const short = pairs.reduce((sum, [, read]) => sum + time(read), 0);
  const decoding = pairs.reduce((sum, [{ ms }]) => sum + ms.decode, 0);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  return ` On the ${pairs.length} queries where both ran alternately, decoding is ${percent(decoding / whole)} of a written ranking's time. One token saves ${percent(1 - short / whole)} of the time, which is ${percent((whole - short) / decoding)} of decoding's.`;
}

interface Step {
  readonly loss: number;
  readonly samples: number;
  readonly validation?: number;
}

/** Losses of an adapter's training, by run: a mean of four steps, and on the lists held out. */
function trainings(): string {
  const lines = readdirSync(join(RESULTS, "training")).map((file) => {
    const steps = jsonRows<Step>(join(RESULTS, "training", file));
    const of = (some: readonly Step[]) => mean(some.map(({ loss }) => loss)).toFixed(2);
    const [run, last] = [file.replace(".jsonl", ""), steps.at(-1)!];
    const ignorant = equalLoss(run.replaceAll(/^(more|words|text|ranker)-|-\d+$/g, ""));
    return [
      `\`${run}\``,
      String(steps.length),
      String(last.samples),
      of(steps.slice(0, 4)),
      of(steps.slice(-4)),
      last.validation!.toFixed(2),
      ignorant.toFixed(2),
    ];
  });
  return markdownTable(["run", "steps", "lists", "first steps", "last steps", "held out", "all orders alike"], lines);
}

/** Queries of a chat, and its passages at least and at most, by the training. */
const CHATS = {
  short: { turns: 12, passages: [4, 8] },
  whole: { turns: 9, passages: [8, 10] },
  more: { turns: 9, passages: [8, 10] },
} as const;

/** Losses of the trainings that teach to look up. An answer is four labels, of which a letter is one. */
function lookups(): string {
  const lines = Object.entries(CHATS).map(([kind, { turns, passages }]) => {
    const steps = jsonRows<Step>(join(RESULTS, "lookups", `${kind}.jsonl`));
    const [fewest, most] = passages;
    const counts = Array.from({ length: most - fewest + 1 }, (_, i) => fewest + i);
    const of = (some: readonly Step[]) => mean(some.map(({ loss }) => loss)).toFixed(3);
    const last = steps.at(-1)!;
    return [
      `\`${kind}\``,
      String(steps.length),
      String(last.samples * turns),
      of(steps.slice(0, 5)),
      of(steps.slice(-10)),
      last.validation!.toFixed(3),
      (mean(counts.map(Math.log)) / 4).toFixed(3),
    ];
  });
  const head = ["chats", "steps", "queries", "first steps", "last steps", "held out", "all passages alike"];
  return markdownTable(head, lines);
}

/** The ranking loss of each arm, if any, and whether it also learns the written ranking. */
const PARTS: Readonly<Record<string, { readonly rule?: RankLossName; readonly written: boolean }>> = {
  lm: { written: true },
  joint: { rule: "weighted-ranknet", written: true },
  rank: { rule: "weighted-ranknet", written: false },
  unweighted: { rule: "ranknet", written: true },
  listnet: { rule: "listnet", written: true },
};

/** The loss on ten passages of a model that writes the right format and considers all orders equally likely. */
function equalLoss(arm: string): number {
  const parts = PARTS[arm];
  if (parts === undefined) throw new Error(`no training is called ${arm}`);
  const ranks = Array.from({ length: 10 }, (_, rank) => rank + 1);
  // A ranking of ten has 39 labels: letters, separators and the end.
  const written = parts.written ? ranks.reduce((sum, place) => sum + Math.log(place), 0) / 39 : 0;
  const { rule } = parts;
  if (rule === undefined) return written;
  const scores = ranks.map(() => 0);
  return written + LAMBDAS[rule] * rankLosses[rule](scores, ranks).loss;
}

const files = readdirSync(RESULTS).filter((name) => name.endsWith(".jsonl"));
writeSection("research/first/README.md", "first/results", [lookups(), trainings(), ...files.map(tableOf)].join("\n\n"));
