import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RouteReport } from "../../src/lab/route/run.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";

export const PAGE = "docs/pipelines/route.md";
export const SECTION = "route-results";

const RESULTS = "research/route/results";
const pairs = ["smollm2+qwen2.5-coder", "smollm2+qwen2.5-coder-1.5b", "qwen2.5-coder+qwen2.5-coder-1.5b"];
const tasks = ["arc-easy", "sciq", "short-answers"];

/** A table of the committed routes: for each pair and task the score that ranks Swift's mistakes best, and the paper's energy. */
export function routeSection(): string {
  const head = ["pair, task", "Swift, Super", "score", "AUROC", "share for Super", "accuracy", "FLOPs", "time"];
  return markdownTable(
    head,
    tasks.flatMap((task) => pairs.flatMap((pair) => rowsOf(read(pair, task), task))),
  );
}

function read(pair: string, task: string): RouteReport {
  const folder = join(root, RESULTS, pair);
  const file = readdirSync(folder).find((name) => name.startsWith(`${task}.`));
  if (!file) throw new Error(`${folder} has no results of ${task}`);
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}

function rowsOf({ pair, swift, super: large, ways }: RouteReport, task: string): string[][] {
  const best = ways.reduce((a, b) => (b.auroc.mean > a.auroc.mean ? b : a));
  const energy = ways.find(({ way }) => way.endsWith("/energy"))!;
  return [...new Set([best, energy])].map((shown, i) => {
    const { share, quality, delta, flops_ratio, ms_ratio } = shown.by_accuracy;
    return [
      i === 0 ? `${pair}, ${task}` : "",
      i === 0 ? `${three(swift.quality.mean)}, ${three(large.quality.mean)}` : "",
      `\`${shown.way}\``,
      `${two(shown.auroc.mean)} [${shown.auroc.ci95.map(two).join(", ")}]`,
      `${Math.round(share * 100)} %`,
      `${three(quality)} (${signed(delta.mean)} [${delta.ci95.map(signed).join(", ")}])`,
      `${two(flops_ratio)} ×`,
      `${two(ms_ratio)} ×`,
    ];
  });
}

const two = (value: number) => value.toFixed(2);
const three = (value: number) => value.toFixed(3);

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, routeSection());
