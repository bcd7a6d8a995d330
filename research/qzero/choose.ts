/**
 * Chooses QZero's default options for a model on one half of TagMyNews and of Cooking, and judges them on the other
 * halves and on SST-2.
 *
 * npx tsx research/qzero/choose.ts MODEL --data DIR [--choose 600] [--judge 600] [--counts 1,5,10,50] [--shares
 * 0.25,0.5,0.75] [--seed 2] [--kept FOLDER]
 *
 * MODEL is glove or a model of embeddings; DIR has QZero's files; `--choose` and `--judge` are rows of a half,
 * `--counts` documents. With `--shares`, margins are calibrated on the model's scores: those under which such shares of
 * the choosing texts lie. An encoder's vectors are stored in FOLDER, from which a stopped run resumes. Writes
 * research/qzero/choice/MODEL.json.
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { QZeroInput, QZeroResult } from "../../src/index.ts";
import { pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { type Arm, armOf } from "./arms.ts";
import type { CellVerdict, Choice, GateRows, GateVerdict, Setting, Verdict } from "./choice.ts";
import { openKept } from "./kept-embeddings.ts";
import { classifyRows, gainOf, rightOf } from "./measure.ts";
import { Corpus } from "./retrieved.ts";
import { type LabelledSet, openSet } from "./sets.ts";
import { corpusDocuments } from "./wikipedia.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    choose: { type: "string", default: "600" },
    judge: { type: "string", default: "600" },
    counts: { type: "string", default: "1,5,10,50" },
    shares: { type: "string" },
    seed: { type: "string", default: "2" },
    data: { type: "string" },
    kept: { type: "string", default: tmpdir() },
  },
});
const [model] = positionals;
const { data } = values;
if (!model || data === undefined) throw new Error("expected MODEL --data DIR");
const seed = Number(values.seed);
const say = (text: string) => process.stderr.write(`${text}\n`);

/** All settings that are compared, the first of equal ones is taken. */
const MODES: readonly QZeroInput[] = [
  { mode: "append" },
  { mode: "interpolate", alpha: 0.25 },
  { mode: "interpolate", alpha: 0.5 },
  { mode: "replace" },
];
const MARGINS = [0.01, 0.02, 0.05];
const COUNTS = values.counts.split(",").map(Number);
const CORPORA = ["descriptions", "slice"];
/** Random gates that the best one is compared with. */
const RANDOM_GATES = 20;
/** The default before this choice. */
const BEFORE: QZeroInput = { mode: "append", when: "margin", margin: 0.05, topK: 50 };

interface Cell {
  readonly set: LabelledSet;
  readonly corpusName: string;
  readonly corpus: Corpus;
}

/** Rows of a set's first half, or of its second; SST-2 is judged whole. */
async function half(name: string, part: "choose" | "judge"): Promise<LabelledSet> {
  const { size } = await openSet(name, data!, { from: 0, count: 0, seed });
  const from = part === "choose" || name === "sst2" ? 0 : Math.ceil(size / 2);
  return openSet(name, data!, { from, count: Number(values[part]), seed });
}

async function cellsOf(names: readonly string[], part: "choose" | "judge"): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const corpusName of CORPORA) {
    const documents = await corpusDocuments(corpusName, data!);
    for (const set of await Promise.all(names.map((name) => half(name, part)))) {
      const texts = set.rows.map(({ text }) => text);
      cells.push({ set, corpusName, corpus: await Corpus.search(documents, texts, Math.max(...COUNTS), seed) });
    }
  }
  return cells;
}

const named = ({ set, corpusName }: Cell) => ({ set: set.name, corpus: corpusName, rows: set.rows.length });
const found = (qzero: QZeroInput): Arm => ({ ...armOf("append@1"), qzero });
const shuffled = (qzero: QZeroInput): Arm => ({ ...armOf("shuffled-append@1"), qzero });

await using pipeline = await openKept(model, values.kept);
const classify = async ({ set, corpus }: Cell, arm: Arm) => (await classifyRows(pipeline, set, corpus, arm)).results;
const digits = ({ set }: Cell, results: readonly QZeroResult[]) =>
  rightOf(
    set.rows,
    results.map(({ label }) => label),
  );

/** The right digits of every setting in a cell. A text whose margin is wide enough keeps its plain label. */
async function settingsIn(
  cell: Cell,
  margins: readonly number[],
): Promise<{ plain: string; settings: { qzero: QZeroInput; right: string }[] }> {
  const plain = await classify(cell, armOf("plain"));
  const settings: { qzero: QZeroInput; right: string }[] = [];
  for (const topK of COUNTS)
    for (const mode of MODES) {
      const always: QZeroInput = { ...mode, when: "always", topK };
      const looked = await classify(cell, found(always));
      for (const margin of margins) {
        const results = plain.map((result, i) => (marginOf(result) < margin ? looked[i]! : result));
        settings.push({ qzero: { ...mode, when: "margin", margin, topK }, right: digits(cell, results) });
      }
      settings.push({ qzero: always, right: digits(cell, looked) });
      say(`${cell.set.name}, ${cell.corpusName}: ${JSON.stringify(always)}`);
    }
  return { plain: digits(cell, plain), settings };
}

function marginOf({ scores }: QZeroResult): number {
  const [best, second] = Object.values(scores).sort((a, b) => b - a);
  return best! - second!;
}

/** The margins of settings: fixed, or those under which the wanted shares of the cells' texts lie. */
async function marginsFor(cells: readonly Cell[]): Promise<readonly number[]> {
  if (values.shares === undefined) return MARGINS;
  const plain: QZeroResult[] = [];
  for (const cell of cells) plain.push(...(await classify(cell, armOf("plain"))));
  const sorted = plain.map(marginOf).sort((a, b) => a - b);
  return values.shares.split(",").map((share) => Number(sorted[Math.floor(Number(share) * sorted.length)]!.toFixed(4)));
}

const accuracy = (right: string): number => mean([...right].map(Number));

async function choose(): Promise<Choice["choosing"]> {
  const cells = await cellsOf(["tagmynews", "cooking"], "choose");
  const margins = await marginsFor(cells);
  const runs: Awaited<ReturnType<typeof settingsIn>>[] = [];
  for (const cell of cells) runs.push(await settingsIn(cell, margins));
  const settings = runs[0]!.settings.map(({ qzero }, k): Setting => {
    const gains = runs.map(({ plain, settings }) => accuracy(settings[k]!.right) - accuracy(plain));
    return { qzero, gain: mean(gains), gains };
  });
  return {
    cells: cells.map((cell, i) => ({ ...named(cell), plain: accuracy(runs[i]!.plain) })),
    settings: settings.sort((a, b) => b.gain - a.gain),
  };
}

/** Each arm by the pipeline itself in all cells, against plain. */
async function judge(cells: readonly Cell[], arms: readonly Arm[]): Promise<Verdict[]> {
  const plain: string[] = [];
  for (const cell of cells) plain.push(digits(cell, await classify(cell, armOf("plain"))));
  const verdicts: Verdict[] = [];
  for (const arm of arms) {
    const right: string[] = [];
    const judged: CellVerdict[] = [];
    for (const [i, cell] of cells.entries()) {
      const results = await classify(cell, arm);
      right.push(digits(cell, results));
      const [own, base] = [right[i]!, plain[i]!];
      const share = mean(results.map(({ retrieved }) => Number(retrieved)));
      const rate = { plain: accuracy(base), accuracy: accuracy(own), lookedUp: share };
      judged.push({ ...named(cell), ...rate, gain: gainOf(own, base) });
    }
    const gain = overall(cells, right.map(digitsOf), plain.map(digitsOf));
    verdicts.push({ arm: arm.name, qzero: arm.qzero, gain, cells: judged });
    say(`${arm.name}: ${JSON.stringify(verdicts.at(-1)!.gain)}`);
  }
  return verdicts;
}

/** A gate, the texts alone and all looked up, in all cells. */
async function gateRows(cells: readonly Cell[], qzero: QZeroInput): Promise<GateRows[]> {
  const rows: GateRows[] = [];
  for (const cell of cells) {
    const gated = await classify(cell, found(qzero));
    rows.push({
      ...{ set: cell.set.name, corpus: cell.corpusName },
      plain: digits(cell, await classify(cell, armOf("plain"))),
      always: digits(cell, await classify(cell, found({ ...qzero, when: "always" }))),
      gated: digits(cell, gated),
      looked: gated.map(({ retrieved }) => Number(retrieved)).join(""),
    });
  }
  return rows;
}

/** The mean of right answers over random gates that look up as many rows of a cell. */
function randomRight({ plain, always, looked }: GateRows): number[] {
  const count = digitsOf(looked).filter((one) => one === 1).length;
  const draws = Array.from({ length: RANDOM_GATES }, (_, draw) => {
    const chosen = new Set(shuffle([...digitsOf(plain).keys()], seededRandom(draw)).slice(0, count));
    return digitsOf(plain).map((digit, i) => (chosen.has(i) ? Number(always[i]) : digit));
  });
  return digitsOf(plain).map((_, i) => mean(draws.map((draw) => draw[i]!)));
}

async function judgeGate(cells: readonly Cell[], qzero: QZeroInput): Promise<GateVerdict> {
  const rows = await gateRows(cells, qzero);
  const [gated, plain] = [rows.map((row) => digitsOf(row.gated)), rows.map((row) => digitsOf(row.plain))];
  return {
    ...{ qzero, lookedUp: mean(rows.flatMap(({ looked }) => digitsOf(looked))) },
    gain: overall(cells, gated, plain),
    overRandom: overall(cells, gated, rows.map(randomRight)),
    cells: rows,
  };
}

const digitsOf = (right: string): number[] => [...right].map(Number);

/** The gain over all sets, each with the same number of rows: a row counts once, with its mean over corpora. */
function overall(
  cells: readonly Cell[],
  right: readonly (readonly number[])[],
  plain: readonly (readonly number[])[],
): Verdict["gain"] {
  const rowsOf = (all: readonly (readonly number[])[]): number[][] =>
    [...new Set(cells.map(({ set }) => set.name))].flatMap((name) => {
      const own = all.filter((_, i) => cells[i]!.set.name === name);
      return [...own[0]!.keys()].map((row) => [mean(own.map((one) => one[row]!))]);
    });
  const shares = (parts: readonly (readonly number[])[]) => mean(parts.map(([share]) => share!));
  return pairedDelta(rowsOf(right), rowsOf(plain), shares, { seed: 0, resamples: 2000 });
}

const choosing = await choose();
const [best] = choosing.settings;
say(`chosen: ${JSON.stringify(best)}`);
const judging = await cellsOf(["tagmynews", "cooking", "sst2"], "judge");
const judged = await judge(judging, [
  { ...found(best!.qzero), name: "chosen" },
  { ...shuffled(best!.qzero), name: "chosen, shuffled categories" },
  ...(values.shares === undefined ? [{ ...found(BEFORE), name: "default before" }] : []),
]);
const gate = choosing.settings.find(({ qzero }) => qzero.when === "margin")!.qzero;
const choice: Choice = {
  ...{ model, seed, chosen: best!.qzero, choosing, judged },
  ...(values.shares !== undefined && { gate: await judgeGate(judging, gate) }),
};
await writeJson(join(root, "research/qzero/choice", `${model}.json`), choice);
