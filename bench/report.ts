import { existsSync } from "node:fs";
import os from "node:os";
import { processorBits, processorClass } from "../src/runtime/processor.ts";
import { chosenBits, quantHere } from "../src/weights/prepared/tuning.ts";
import { preparedFolder, type ResolvedModel } from "../src/weights/sources/index.ts";
import type { Bench, Outcome } from "./harness.ts";

/** A model's file, and the hash that may have selected its form. */
type Source = Pick<ResolvedModel, "path" | "sha256">;

/** A bench's last line: medians, the median of the rounds' ratios and its spread [least, most]. */
export interface Result {
  bench: string;
  model: string;
  unit: string;
  ours: number;
  peer: string;
  theirs: number;
  ratio: number;
  runs: number;
  spread: [number, number];
  machine: string;
  save?: readonly string[];
  floor?: number;
  /** The median of a third side, for information. */
  beside?: { name: string; value: number };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** `source`: the benchmarked model. */
export function summarise({ bench, model, peer, save, beside, rounds, floor }: Outcome, source?: Source): Result {
  const ratios = rounds.map((r) => r.ratio);
  return {
    bench: bench.name,
    model,
    unit: bench.unit,
    ours: short(median(rounds.map((r) => r.ours))),
    peer,
    theirs: short(median(rounds.map((r) => r.theirs))),
    ratio: short(median(ratios)),
    runs: rounds.length,
    spread: [short(Math.min(...ratios)), short(Math.max(...ratios))],
    machine: machine(measuredSource(bench, source)),
    ...(save !== undefined && { save }),
    ...(floor !== undefined && { floor: short(floor) }),
    ...(beside !== undefined && { beside: { name: beside, value: short(median(rounds.map((r) => r.beside!))) } }),
  };
}

/** The model whose form our sides used; undefined for a bench with its own model. */
function measuredSource({ model, defaultForm }: Bench, source: Source | undefined): Source | undefined {
  if (model !== undefined || source === undefined) return undefined;
  return defaultForm ? { path: source.path } : source;
}

/** One round per line, then the medians. */
export function table(outcome: Outcome): string {
  const { ours, theirs, ratio, floor, peer, unit, beside } = summarise(outcome);
  const rows = [
    ["round", `ours ${unit}`, `${peer} ${unit}`, "ratio"],
    ...outcome.rounds.map((r, i) => [`${i + 1}`, ...[r.ours, r.theirs, r.ratio].map(cell)]),
    ["median", ...[ours, theirs, ratio].map(cell)],
    ...(floor === undefined ? [] : [["floor", cell(floor), "", ""]]),
    ...(beside === undefined ? [] : [[beside.name, "", cell(beside.value), ""]]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((text, i) => text.padStart(widths[i]!)).join("  ")).join("\n");
}

/** Describes the machine, with the instructions that select our kernels, and the form chosen for the model. */
export function machine(source?: Source): string {
  const kind = processorClass();
  const cpu = `${os.cpus()[0]?.model.trim() ?? os.arch()}${kind === undefined ? "" : ` with ${kind}`} (${formOf(source)})`;
  const gigabytes = Math.round(os.totalmem() / 2 ** 30);
  return `${cpu}, ${os.availableParallelism()} cores, ${gigabytes} GB, ${os.platform()} ${os.arch()}, Node ${process.versions.node}`;
}

function formOf(source: Source | undefined): string {
  if (source && quantHere(source, "auto") === "q8r") return "layers in rotated bytes";
  const bits = source && existsSync(source.path) ? chosenBits(preparedFolder(source.path)) : processorBits();
  return `4-bit types run in ${bits} bits`;
}

export const short = (value: number) => Number(value.toPrecision(4));
const cell = (value: number) => String(short(value));
