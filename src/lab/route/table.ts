import type { Estimate } from "../metrics/bootstrap.ts";
import { figure, range } from "../report/format.ts";
import type { Holdout, WayResult } from "./evaluate.ts";
import type { RouteReport } from "./run.ts";

const HEAD = [
  "score",
  "AUROC of Swift wrong",
  "above random",
  "APGR",
  "share at the threshold by accuracy",
  "accuracy (against Super)",
  "FLOPs",
  "time",
  "best share, FLOPs",
] as const;

/** Markdown: a section for each task and pair, a row for each score. */
export function resultTable(reports: readonly RouteReport[], command: string): string {
  const lead = [
    "# Routes between two models",
    `Made by \`${command}\`. AUROC and the height above random cover all items. Thresholds are found on one half of the items and judged on the other, and vice versa.`,
    "FLOPs and time are Super's divided by the route's; above 1, the route takes less. Intervals are 95 %, by bootstrap over items.",
    "The threshold by accuracy sends to Super the smallest share of items for which the route's accuracy on the other half is at most a point below Super's. The best share is chosen on the judged items themselves: no threshold could do better.",
  ];
  return `${[...lead, ...reports.map(section)].join("\n\n")}\n`;
}

function section(report: RouteReport): string {
  const { pair, task, metric, items, swift, super: strong, oracle } = report;
  const lines = [
    `## ${pair.replace(">", " → ")}, ${task}`,
    `${items} items; ${metric}: Swift ${estimate(swift.quality)}, Super ${estimate(strong.quality)}, oracle ${figure(Math.max(...oracle.curve.map(({ quality }) => quality)))}. An answer from Super costs ${ratio(strong.flops_per_item / swift.flops_per_item)} times Swift's FLOPs and ${ratio(strong.ms_per_item / swift.ms_per_item)} times its time.`,
    table(report.ways.filter(shown).map(row)),
  ];
  return lines.join("\n\n");
}

/** The table shows one random control; the files contain all random controls. */
const shown = ({ way }: WayResult): boolean => !/^(mean|min|q.*)\/random$/.test(way);

function row({ way, auroc, above_random, apgr, by_accuracy, best }: WayResult): string[] {
  return [
    `\`${way}\``,
    estimate(auroc),
    estimate(above_random),
    Number.isNaN(apgr) ? "–" : figure(apgr),
    ...appliedCells(by_accuracy),
    `${percent(best.share)}, ${ratio(best.flops_ratio)} ×`,
  ];
}

const appliedCells = (applied: Holdout): string[] => [
  percent(applied.share),
  `${figure(applied.quality)} (${estimate(applied.delta)})`,
  `${ratio(applied.flops_ratio)} ×`,
  `${ratio(applied.ms_ratio)} ×`,
];

const estimate = ({ mean, ci95 }: Estimate): string => `${mean.toFixed(3)} ${range(ci95, (x) => x.toFixed(3))}`;
const ratio = (x: number): string => x.toFixed(2);
const percent = (share: number): string => `${Math.round(100 * share)} %`;

function table(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(HEAD), line(HEAD.map(() => "---")), ...rows.map(line)].join("\n");
}
