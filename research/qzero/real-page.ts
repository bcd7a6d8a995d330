/**
 * Writes the tables of QZero's runs on real texts (research/qzero/real.ts):
 *
 *     npx tsx research/qzero/real-page.ts
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";
import type { ArmResult, gainByCoverage, Interval } from "./measure.ts";

export const PAGE = "research/qzero/real/README.md";
export const SECTION = "qzero-real";

/** A file of research/qzero/real.ts. */
export interface RealRun {
  readonly set: string;
  readonly corpus: string;
  readonly model: string;
  /** Rows before them that were left out, for choices to be made on. */
  readonly from?: number;
  readonly rows: number;
  readonly documents: number;
  readonly labels: readonly string[];
  readonly retrieval: { readonly zeroHits: number; readonly ms: number };
  /** The time to tag one text's categories. */
  readonly nounsMs: number;
  readonly arms: readonly ArmResult[];
  readonly coverage: Readonly<Record<string, ReturnType<typeof gainByCoverage>>>;
}

/** A file of research/qzero/corpus-size.ts. */
interface SizeRun {
  readonly set: string;
  readonly corpus: string;
  readonly model: string;
  readonly sizes: readonly {
    readonly documents: number;
    /** Shares of texts with a hit, and of a text's terms in its best document. */
    readonly hits: number;
    readonly covered: number;
    readonly plain: number;
    readonly arms: readonly Pick<ArmResult, "arm" | "accuracy" | "gain">[];
  }[];
}

const SETS = ["tagmynews", "cooking", "sst2"];
const CORPORA = ["descriptions", "leads", "slice"];
const MODELS = ["glove", "minilm", "mpnet"];

const FOLDER = join(root, "research/qzero/real");

function readAll<T>(folder: string): T[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
}

/** The committed runs: by set, corpus and model. */
export function realRuns(): RealRun[] {
  const runs = readAll<RealRun>(FOLDER);
  const place = ({ set, corpus, model }: RealRun) =>
    100 * SETS.indexOf(set) + 10 * CORPORA.indexOf(corpus) + MODELS.indexOf(model);
  return runs.sort((a, b) => place(a) - place(b));
}

/** All tables of the runs. */
export function realSection(all: readonly RealRun[]): string {
  const [runs, others] = [all.filter(({ from }) => !from), all.filter(({ from }) => from)];
  return [
    "### Accuracy\n",
    gainTable(runs),
    "\n### The best of these arms, on other rows\n",
    otherTable(others),
    "\n### Against the number of documents\n",
    sweepTable(runs),
    "\n### Against the size of the corpus\n",
    sizeTable(readAll<SizeRun>(join(FOLDER, "sizes"))),
    "\n### Against coverage\n",
    coverageTable(runs),
    "\n### What was read, and for how long\n",
    costTable(runs),
    ...runs.filter(({ set }) => set === "tagmynews").flatMap(confusion),
  ].join("\n");
}

const three = (value: number): string => value.toFixed(3);
const withInterval = ({ mean, ci95 }: { mean: number; ci95: Interval }): string =>
  `${signed(mean)} [${ci95.map(signed).join(", ")}]`;
const titleOf = ({ set, corpus, model }: RealRun): string => `${set}, ${corpus}, ${model}`;
const armOf = ({ arms }: RealRun, name: string): ArmResult | undefined => arms.find(({ arm }) => arm === name);
const gain = (run: RealRun, name: string): string => {
  const found = armOf(run, name);
  return found ? withInterval(found.gain) : "";
};

const ARMS = ["replace", "append", "margin", "interpolate"];
const CONTROLS = ["shuffled-replace", "shuffled-append", "shuffled-interpolate", "random-replace", "filtered"];

function gainTable(runs: readonly RealRun[]): string {
  const table = (arms: readonly string[]) =>
    markdownTable(
      ["set, corpus, model", "rows", "plain", ...arms],
      runs.map((run) => {
        const plain = three(armOf(run, "plain")!.accuracy);
        return [titleOf(run), `${run.rows}`, plain, ...arms.map((arm) => gain(run, `${arm}@10`))];
      }),
    );
  return `${table(ARMS)}\n\nThe controls:\n\n${table(CONTROLS)}`;
}

function otherTable(runs: readonly RealRun[]): string {
  const rows = runs.flatMap((run) =>
    run.arms.map(({ arm, accuracy, gain }) => [
      ...[titleOf(run), `${run.rows}`, arm, three(accuracy)],
      arm === "plain" ? "" : withInterval(gain),
    ]),
  );
  return markdownTable(["set, corpus, model", "rows", "arm", "accuracy", "gain"], rows);
}

const COUNTS = [1, 5, 10, 25, 50];

function sweepTable(runs: readonly RealRun[]): string {
  const rows = runs.flatMap((run) =>
    ["replace", "append", "interpolate"].map((arm) => [
      titleOf(run),
      arm,
      ...COUNTS.map((count) => armOf(run, `${arm}@${count}`)).map((found) => (found ? three(found.accuracy) : "")),
    ]),
  );
  const swept = rows.filter(([, , ...cells]) => cells.filter((cell) => cell !== "").length > 1);
  return markdownTable(["set, corpus, model", "arm", ...COUNTS.map((count) => `${count}`)], swept);
}

function sizeTable(runs: readonly SizeRun[]): string {
  const arms = [...new Set(runs.flatMap(({ sizes }) => sizes.flatMap(({ arms }) => arms.map(({ arm }) => arm))))];
  const rows = runs.flatMap((run) =>
    run.sizes.map(({ documents, hits, covered, arms: found }) => [
      `${run.set}, ${run.corpus}, ${run.model}`,
      `${documents}`,
      `${(100 * hits).toFixed(1)} %`,
      covered.toFixed(2),
      ...arms.map((name) => withInterval(found.find(({ arm }) => arm === name)!.gain)),
    ]),
  );
  return markdownTable(["set, corpus, model", "documents", "texts with a hit", "coverage", ...arms], rows);
}

function coverageTable(runs: readonly RealRun[]): string {
  const rows = runs.flatMap((run) =>
    Object.entries(run.coverage).map(([arm, quarters]) => [
      titleOf(run),
      arm,
      ...quarters.map(
        ({ covered, gain }) => `${covered.map((share) => share.toFixed(2)).join("–")}: ${signed(gain.mean)}`,
      ),
    ]),
  );
  return markdownTable(["set, corpus, model", "arm", "lowest quarter", "second", "third", "highest"], rows);
}

/** Rows of the plain arm, of the arm with ten documents, and of the arm with the most documents. */
function costTable(runs: readonly RealRun[]): string {
  const rows = runs.flatMap((run) => {
    const widest = COUNTS.findLast((count) => armOf(run, `replace@${count}`));
    const arms = [...new Set(["plain", "replace@10", `replace@${widest}`])];
    return arms.map((name) => [titleOf(run), name, ...costCells(run, armOf(run, name)!)]);
  });
  const head = ["set, corpus, model", "arm", "no hits", "categories found / read", "keywords", "tokens before / after"];
  return markdownTable([...head, "FLOPs to read", "ms: search", "nouns", "read"], rows);
}

/** A number with a prefix of its thousands: 17.8 k. */
function inUnits(value: number): string {
  const power = Math.min(3, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toPrecision(3)} ${["", "k", "M", "G"][power]}`.trim();
}

function costCells({ model, retrieval, nounsMs }: RealRun, { arm, ...found }: ArmResult): string[] {
  const { tokens } = found;
  const looked = arm !== "plain";
  return [
    looked ? `${(100 * retrieval.zeroHits).toFixed(1)} %` : "",
    looked ? `${found.found.toFixed(1)} / ${found.read.toFixed(1)}` : "",
    looked && model === "glove" ? found.keywords.toFixed(1) : "",
    tokens ? `${tokens.given.toFixed(0)} / ${tokens.read.toFixed(0)}` : "",
    inUnits(found.flops),
    looked ? retrieval.ms.toFixed(1) : "",
    arm === "replace@10" && model === "glove" ? nounsMs.toFixed(1) : "",
    found.ms.toFixed(1),
  ];
}

/** Counts of plain and of replace@10, each label a row. */
function confusion(run: RealRun): string[] {
  const [plain, replace] = [armOf(run, "plain")!, armOf(run, "replace@10")!];
  const rows = run.labels.map((label, row) => [
    label,
    ...run.labels.map((_, column) => `${plain.confusion[row]![column]} → ${replace.confusion[row]![column]}`),
  ]);
  return [
    `\n### Confusion: ${titleOf(run)}\n`,
    markdownTable(["label", ...run.labels.map((label) => `as ${label}`)], rows),
  ];
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, realSection(realRuns()));
