import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { doneRuns, type MethodRun } from "../method-runs.ts";
import type { Difference } from "./curves.ts";

/** Results of the Llama and of the Mamba-2. */
const FOLDERS = ["research/exits/dynamax-small", "research/exits/dynamax-mamba"];
const SECTION = "exits/small-tables";

interface ByLayer {
  readonly positions: number;
  readonly right: readonly number[];
  readonly agree: readonly number[];
  readonly oracleDepth: number;
}

interface RuleAt {
  readonly depth: number;
  readonly consistency?: number;
  readonly overRandom?: Difference;
  readonly overFixed?: Difference;
  readonly overOther?: Difference;
}

interface Telling {
  readonly auc: readonly number[];
}

interface RuleResult extends Partial<Telling> {
  readonly rule: string;
  readonly seed: number;
  readonly at: readonly RuleAt[];
}

interface History extends ByLayer {
  readonly results: readonly {
    readonly kind: string;
    readonly seed: number;
    readonly auc: readonly number[];
    readonly at: readonly RuleAt[];
  }[];
}

interface Results {
  readonly layers: number;
  readonly every: ByLayer;
  readonly asked: ByLayer;
  readonly kinds: readonly (ByLayer & { readonly kind: string })[];
  readonly rules: {
    readonly oracle: number;
    readonly controls: readonly { readonly depth: number; readonly random: number; readonly fixed: number }[];
    readonly results: readonly RuleResult[];
  };
  readonly shuffled: readonly (Telling & { readonly kind: string })[];
  readonly threshold: number;
  readonly relaxed: readonly {
    readonly topK: number;
    readonly seed: number;
    readonly rates: readonly number[];
    readonly depth: number;
    readonly consistency: number;
  }[];
  readonly history: Readonly<Record<"cued" | "signed", History>>;
}

interface Fills {
  readonly results: readonly {
    readonly rate: number;
    readonly seed: number;
    readonly fill: string;
    readonly agree: number;
    readonly before: number;
  }[];
}

/** The mean over seeds, with the least and the greatest. */
function spread(values: readonly number[], digits = 3): string {
  if (values.length === 0) return "–";
  const middle = mean(values).toFixed(digits);
  const [least, most] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  return least === most ? middle : `${middle} [${least}, ${most}]`;
}

const interval = ({ mean: middle, ci95: [low, high] }: Difference): string =>
  `${middle.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
const have = <T>(values: readonly (T | undefined)[]): T[] => values.filter((value): value is T => value !== undefined);
const layerNames = (count: number, last: string) =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? last : `${i + 1}`));

function layersTable({ layers, every, asked, kinds }: Results): string {
  const row = (name: string, { positions, right, oracleDepth }: ByLayer) => [
    name,
    `${positions}`,
    ...right.map((each) => each.toFixed(3)),
    oracleDepth.toFixed(2),
  ];
  return markdownTable(
    ["right after layer", "characters", ...layerNames(layers, `${layers}, the model`), "oracle's depth"],
    [...kinds.map((each) => row(each.kind, each)), row("all answers", asked), row("all characters", every)],
  );
}

function rulesTable({ rules: { oracle, controls, results } }: Results): string {
  const named = unique(results.map(({ rule }) => rule)).map((rule) => [
    rule,
    ...controls.map((_, i) =>
      spread(have(results.filter((each) => each.rule === rule).map(({ at }) => at[i]!.consistency))),
    ),
  ]);
  return markdownTable(
    ["chosen as the model does, at mean depth", ...controls.map(({ depth }) => `${depth}`)],
    [
      ["oracle", ...controls.map(({ depth }) => (depth >= oracle ? "1" : `(1 from ${oracle.toFixed(2)} on)`))],
      ...named,
      ["random", ...controls.map(({ random }) => random.toFixed(3))],
      ["one layer for all", ...controls.map(({ fixed }) => fixed.toFixed(3))],
    ],
  );
}

const differencesTable = ({ rules: { controls, results } }: Results): string =>
  markdownTable(
    ["more than saturation (95 %), at mean depth", ...controls.map(({ depth }) => `${depth}`)],
    results
      .filter(({ auc }) => auc !== undefined)
      .map(({ rule, seed, at }) => [
        `${rule}, seed ${seed}`,
        ...at.map(({ overOther }) => (overOther ? interval(overOther) : "–")),
      ]),
  );

function tellingsTable({ layers, rules: { results }, shuffled }: Results): string {
  const trained = results.filter((each): each is RuleResult & Telling => each.auc !== undefined);
  const row = (name: string, own: readonly Telling[]) => [
    name,
    ...own[0]!.auc.map((_, i) => spread(own.map((each) => each.auc[i]!))),
  ];
  return markdownTable(
    ["AUC after layer", ...layerNames(layers, "").slice(0, -1)],
    [
      ...unique(trained.map(({ rule }) => rule)).map((rule) =>
        row(
          rule,
          trained.filter((each) => each.rule === rule),
        ),
      ),
      ...shuffled.map((each) => row(`${each.kind}, shuffled labels`, [each])),
    ],
  );
}

const relaxedTable = ({ relaxed }: Results): string =>
  markdownTable(
    ["k", "labels that let a token leave, by layer", "mean depth", "chosen as the model does"],
    unique(relaxed.map(({ topK }) => topK)).map((topK) => {
      const own = relaxed.filter((each) => each.topK === topK);
      return [
        `${topK}`,
        own[0]!.rates.map((rate) => rate.toFixed(2)).join(" "),
        spread(
          own.map(({ depth }) => depth),
          2,
        ),
        spread(own.map((each) => each.consistency)),
      ];
    }),
  );

function historyTable({ layers, history }: Results): string {
  const rows = Object.entries(history).flatMap(([name, { agree, results }]) => [
    [`${name}: answers that agree`, ...agree.slice(0, -1).map((each) => each.toFixed(3))],
    ...unique(results.map(({ kind }) => kind)).map((kind) => {
      const own = results.filter((each) => each.kind === kind);
      return [`${name}: AUC of ${kind}`, ...own[0]!.auc.map((_, i) => spread(own.map(({ auc }) => auc[i]!)))];
    }),
  ]);
  return markdownTable(["after layer", ...layerNames(layers, "").slice(0, -1)], rows);
}

function gainsTable({ history }: Results): string {
  const { at } = history.cued.results[0]!;
  const rows = Object.entries(history).flatMap(([name, { results }]) =>
    results
      .filter(({ kind }) => kind !== "linear")
      .map(({ kind, seed, at: own }) => [
        `${name}: ${kind}, seed ${seed}`,
        ...own.map(({ overOther }) => (overOther ? interval(overOther) : "–")),
      ]),
  );
  return markdownTable(["more than linear (95 %), at mean depth", ...at.map(({ depth }) => `${depth}`)], rows);
}

function fillsTable({ results }: Fills): string {
  const rates = unique(results.map(({ rate }) => rate));
  return markdownTable(
    ["same token at the same place, if so many leave", ...rates.map((rate) => `${100 * rate} %`)],
    unique(results.map(({ fill }) => fill)).map((fill) => [
      fill,
      ...rates.map((rate) =>
        spread(results.filter((each) => each.fill === fill && each.rate === rate).map(({ agree }) => agree)),
      ),
    ]),
  );
}

/** The results of a page, as far as they are there. */
function tables(folder: string): string {
  const read = <T>(file: string): T[] => {
    const path = join(root, folder, file);
    return existsSync(path) ? [JSON.parse(readFileSync(path, "utf8")) as T] : [];
  };
  const parts = [layersTable, rulesTable, differencesTable, tellingsTable, relaxedTable, historyTable, gainsTable];
  return [
    ...read<Results>("results.json").flatMap((results) => parts.map((part) => part(results))),
    ...read<Fills>("fills.json").map(fillsTable),
  ].join("\n\n");
}

/** Right choices of the head after each layer, by what was trained. */
function methodTable(runs: readonly MethodRun[]): string {
  const layers = runs[0]!.right.length;
  return markdownTable(
    [
      "weights",
      "seeds",
      "nats, last layer",
      ...layerNames(layers, `${layers}`).with(0, "right after layer 1"),
      "overhead",
    ],
    unique(runs.map(({ arm }) => arm)).map((arm) => {
      const own = runs.filter((each) => each.arm === arm);
      return [
        arm,
        `${own.length}`,
        spread(own.map(({ loss }) => loss)),
        ...own[0]!.right.map((_, i) => spread(own.map(({ right }) => right[i]!))),
        `${(100 * mean(own.map(({ flops }) => flops.overhead / flops.spent))).toFixed(1)} %`,
      ];
    }),
  );
}

if (process.argv[1] === import.meta.filename) {
  for (const folder of FOLDERS) writeSection(`${folder}/README.md`, SECTION, tables(folder));
  if (doneRuns().length > 0) writeSection("docs/methods/exits.md", "method-runs", methodTable(doneRuns()));
}
