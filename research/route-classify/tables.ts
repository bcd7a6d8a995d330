import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../src/util/write-whole.ts";
import { markdownTable, withSection } from "../../tools/section.ts";
import { plotOf } from "./plot.ts";
import type { Result } from "./run.ts";
import type { Timed } from "./time.ts";

type Kept = Result & { readonly time: { readonly single: Timed; readonly batched: Timed } };

/** Rewrites the tables of a folder's README from all results in it. */
export async function writeTables(folder: string): Promise<void> {
  const results = readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file): Kept => JSON.parse(readFileSync(join(folder, file), "utf8")));
  for (const result of results) await writeWhole(join(folder, `${fileOf(result)}.svg`), plotOf(result));
  const page = join(folder, "README.md");
  const empty =
    "# Routing between two classifiers\n\n<!-- route-classify: written by research/route-classify/main.ts -->\n<!-- /route-classify -->\n";
  const text = existsSync(page) ? readFileSync(page, "utf8") : empty;
  await writeWhole(page, withSection(text, "route-classify", [summary(results), ...results.map(details)].join("\n\n")));
}

/** The name of a result's files, without an extension. */
export const fileOf = ({ set, swift }: Pick<Result, "set" | "swift">): string =>
  `${set.name}-${swift.replace("@layers=", "-")}`;

const points = (value: number): string => (100 * value).toFixed(1);
/** A figure that is not finite, such as a share of a zero gap, is null in a file. */
const withInterval = (
  { mean, ci95 }: { readonly mean: number | null; readonly ci95: readonly (number | null)[] },
  shown = (v: number): string => v.toFixed(3),
): string => {
  const [middle, low, high] = [mean, ...ci95].map((v) => (v === null || !Number.isFinite(v) ? "—" : shown(v)));
  return middle === "—" ? middle : `${middle} [${low}, ${high}]`;
};
const title = ({ set, swift, super: strong }: Kept): string => `${set.name}, ${swift} > ${strong}`;

/** Which scorings and targets the first table shows. */
const SUMMARISED = [
  ["energy", "Super − 0.5"],
  ["energy", "Super − 1"],
  ["softmax", "Super − 1"],
  ["random", "Super − 1"],
] as const;

/** The goal: half of Super's FLOPs, at most a point lost, at a threshold that calibration rows gave. */
function summary(results: readonly Kept[]): string {
  const head = [
    "set, pair",
    "score, target",
    "Swift alone",
    "Super alone",
    "loss, points",
    "Super's share",
    "FLOPs ratio",
    "goal",
  ];
  const rows = results.flatMap((result) =>
    SUMMARISED.map(([scoring, target]) => {
      const at = result.operated[scoring]![target]!;
      const met = at["loss"]!.mean <= 1 && at["ratio"]!.mean >= 2;
      return [
        ...[title(result), `${scoring}, ${target}`],
        ...[points(result.alone.swift.mean), points(result.alone.super.mean)],
        ...["loss", "share", "ratio"].map((key) => withInterval(at[key]!, (v) => v.toFixed(2))),
        met ? "met" : "missed",
      ];
    }),
  );
  return `### At thresholds for Super's calibration accuracy less half a point and a point\n\n${markdownTable(head, rows)}`;
}

function details(result: Kept): string {
  const { set, time, flops, l2 } = result;
  const intro = `${set.rows.train} rows train, ${set.rows.calibration} calibrate, ${set.rows.test} test; ${set.labels} labels, ${result.seeds} seeds, L2 ${l2.swift.join(", ")} and ${l2.super.join(", ")}. A text alone costs Swift ${flops.swift.toExponential(3)} FLOPs, Super ${flops.super.toExponential(3)}.`;
  const plot = `![accuracy by Super's share](${fileOf(result)}.svg)`;
  return [`### ${title(result)}`, intro, plot, scores(result), shares(result), targets(result), times(time)].join(
    "\n\n",
  );
}

function scores({ quality }: Kept): string {
  const head = ["score", "AUROC of Swift wrong", "APGR", "CPT 50 %", "CPT 80 %", "AIQ"];
  const keys = ["auroc", "apgr", "cpt50", "cpt80", "aiq"];
  const rows = Object.entries(quality).map(([name, figures]) => [
    name,
    ...keys.map((key) => (figures[key] ? withInterval(figures[key]) : "—")),
  ]);
  return markdownTable(head, rows);
}

function shares({ shares: all, curves }: Kept): string {
  const shown = [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1];
  const rows = Object.entries(curves).map(([name, values]) => [
    name,
    ...shown.map((share) => points(values[all.findIndex((x) => Math.abs(x - share) < 1e-9)]!)),
  ]);
  return markdownTable(["accuracy at Super's share", ...shown.map(String)], rows);
}

function targets({ operated }: Kept): string {
  const rows = ["energy", "softmax"].flatMap((scoring) =>
    Object.entries(operated[scoring]!).map(([target, at]) => [
      `${scoring}, ${target}`,
      withInterval(at["share"]!, (v) => v.toFixed(2)),
      withInterval(at["accuracy"]!, points),
      withInterval(at["loss"]!, (v) => v.toFixed(2)),
      withInterval(at["ratio"]!, (v) => v.toFixed(2)),
    ]),
  );
  return markdownTable(["threshold by", "Super's share", "accuracy", "loss, points", "FLOPs ratio"], rows);
}

function times(time: Kept["time"]): string {
  const rows = Object.entries(time).map(([name, { texts, share, saved, ms }]) => [
    `${name}, ${texts} texts`,
    ...[ms.swift, ms.super, ms.cascade].map((v) => v.toFixed(3)),
    (ms.super / ms.cascade).toFixed(2),
    `${points(saved)} %`,
    share.toFixed(2),
  ]);
  const head = [
    "calls",
    "Swift, ms a text",
    "Super",
    "cascade",
    "time, Super over cascade",
    "FLOPs saved, by receipts",
    "Super's share",
  ];
  return markdownTable(head, rows);
}
