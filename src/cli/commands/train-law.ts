import type { Command } from "commander";
import type { Law, LawIntervals } from "../../index.ts";
import { bootstrapLaw } from "../../train/methods/sparse/law/bootstrap.ts";
import { fitScalingLaw, predictLoss } from "../../train/methods/sparse/law/fit.ts";
import { lawPoints } from "../../train/methods/sparse/law/points.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .description("fit a scaling law, loss = E + A / parameters^alpha + B / tokens^beta, to finished runs")
    .argument("<paths...>", "run folders of the method sparse, or files with parameters, tokens and loss per line")
    .option("--json", "print one JSON object")
    .action(fit);
  examples(command, "modicum train law runs/*", "modicum train law runs.jsonl --json");
}

function fit(paths: readonly string[], { json }: { json?: boolean }): void {
  const points = lawPoints(paths);
  const { objective: _, ...law } = fitScalingLaw(points);
  const intervals = bootstrapLaw(points, law);
  const errors = points.map((point) => Math.abs(predictLoss(law, point) - point.loss));
  const error = { mean: errors.reduce((sum, one) => sum + one, 0) / errors.length, most: Math.max(...errors) };
  if (json) printJson({ law, intervals, points: points.length, error });
  else print(...tableOf(law, intervals), tellError(points.length, error));
}

function tableOf(law: Law, intervals: LawIntervals): string[] {
  const short = (value: number) => value.toPrecision(4);
  const rows = (Object.keys(intervals) as (keyof Law)[]).map((name) => {
    const [low, high] = intervals[name];
    return [name, short(law[name]), `${short(low)} to ${short(high)}`];
  });
  return columns([["", "fitted", "range of 95 % of fits to resampled runs"], ...rows]);
}

const tellError = (runs: number, { mean, most }: { mean: number; most: number }): string =>
  `${runs} runs, mean error ${mean.toFixed(4)} nats, greatest ${most.toFixed(4)}`;
