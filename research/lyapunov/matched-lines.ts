import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../tools/section.ts";
import { jsonRows } from "../first/json-rows.ts";
import type { Kind } from "./arms.ts";
import type { Divergence } from "./precision/divergence.ts";

const FILE = join(root, "research/lyapunov/results/matched.jsonl");

/** The precision that is compared with float32. */
export const MIXED = "amp-bf16";

/** The held-out loss of a run that chooses a rate or a number of steps. */
export interface TuningLine {
  readonly what: "tuning";
  readonly kind: Kind;
  readonly rate: number;
  readonly steps: number;
  readonly loss: number;
}

/** The divergences of a seed's models from that in float32, after as many steps as bring its kind to the common loss. */
export interface MatchedLine {
  readonly what: "matched";
  readonly kind: Kind;
  readonly seed: number;
  readonly rate: number;
  readonly steps: number;
  readonly loss: Readonly<Record<"fp32" | typeof MIXED, number>>;
  readonly arms: Readonly<Record<string, Divergence>>;
}

type Line = TuningLine | MatchedLine;

const short = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;

export const writeLine = (line: Line): void => appendFileSync(FILE, `${JSON.stringify(line, short)}\n`);

const lines = (): Line[] => jsonRows<Line>(FILE);
export const tuningLines = (): TuningLine[] => lines().filter((line) => line.what === "tuning");
export const matchedLines = (): MatchedLine[] => lines().filter((line) => line.what === "matched");
