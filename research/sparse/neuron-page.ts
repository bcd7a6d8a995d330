import { readFileSync } from "node:fs";
import { markdownTable } from "../../tools/section.ts";
import { median } from "../common/median.ts";
import { armNames, isUntrained, type NeuronRun, neuronRuns, neuronTimes, TIMES } from "./neuron-runs.ts";

const LABELS: Record<NeuronRun["arm"], string> = {
  dense: "dense",
  magnitude: "by norm, during training",
  random: "random, during training",
  "dense, untrained": "dense, not trained",
  "magnitude, untrained": "by norm, not trained",
  "random, untrained": "random, not trained",
};

const three = (value: number): string => value.toFixed(3).replace("-", "−");

function qualityTable(runs: readonly NeuronRun[]): string {
  const dense = runs.find(({ arm }) => arm === "dense");
  const ordered = armNames.flatMap((arm) => runs.filter((run) => run.arm === arm));
  const rows = ordered.map(({ arm, neurons, heldOut, cpuMs, flops }) => [
    ...[LABELS[arm], String(neurons), three(heldOut)],
    ...(isUntrained(arm) || !dense ? ["", ""] : [three(cpuMs / dense.cpuMs), three(flops / dense.flops)]),
  ]);
  const head = ["model", "neurons a layer", "held-out nats", "CPU a step / dense", "FLOPs / dense"];
  return markdownTable(head, rows);
}

function timeTable(): string {
  const { rounds } = neuronTimes.parse(JSON.parse(readFileSync(TIMES, "utf8")));
  const rows = (["prompt", "token"] as const).map((part) => {
    const medianOf = (form: "dense" | "cut") => median(rounds.map((round) => round[form][part].ms)).toFixed(1);
    const ratios = (of: "ms" | "flops") => rounds.map(({ dense, cut }) => cut[part][of] / dense[part][of]);
    const quartiles = ratios("ms").toSorted((a, b) => a - b);
    const at = (share: number) => three(quartiles[Math.floor(share * (quartiles.length - 1))]!);
    return [
      ...[part === "prompt" ? "256 tokens" : "next token", medianOf("dense"), medianOf("cut")],
      ...[`${three(median(ratios("ms")))} [${at(0.25)}, ${at(0.75)}]`, three(median(ratios("flops")))],
    ];
  });
  return markdownTable(["inference", "dense, CPU ms", "pruned, CPU ms", "ratio, quartiles", "FLOPs ratio"], rows);
}

export const neuronParts = (): string[] => ["### Whole neurons of SmolLM2", qualityTable(neuronRuns()), timeTable()];
