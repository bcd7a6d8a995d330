import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../tools/section.ts";
import type { Kind, Precision, Stage } from "./arms.ts";
import type { LoopExponents } from "./exponents/closed-loop.ts";
import type { Divergence } from "./precision/divergence.ts";
import type { ArmDivergence } from "./precision/measure.ts";

const FILE = join(root, "research/lyapunov/results/peers.jsonl");

/** The exponents of one model. */
export interface ExponentsLine {
  readonly what: "exponents";
  readonly kind: Kind;
  readonly stage: Stage;
  readonly seed: number;
  readonly precision: Precision;
  /** The completed share of the training: 0 is one step. */
  readonly part: number;
  readonly tokens: number;
  /** λ max of each layer by its closed form; empty for a simple recurrent network. */
  readonly layers: readonly number[];
  readonly trajectories: readonly number[];
  /** The same with a recurrent network's recurrence multiplied; absent for others. */
  readonly scaled?: readonly number[];
  readonly loops?: LoopExponents;
}

/** The divergences of a seed's models from that in float32. */
export interface DivergenceLine {
  readonly what: "divergence";
  readonly kind: Kind;
  readonly stage: Stage;
  readonly seed: number;
  readonly rate: number;
  readonly steps: number;
  readonly loss: Readonly<Record<Precision, number>>;
  readonly arms: Readonly<Record<string, Divergence>>;
}

/** A model's own divergence from float32 by position. */
export interface PrecisionLine {
  readonly what: "precision";
  readonly kind: Kind;
  readonly stage: Stage;
  readonly seed: number;
  /** Tokens of a window. */
  readonly tokens: number;
  readonly arms: readonly ArmDivergence[];
}

export type PeerLine = ExponentsLine | DivergenceLine | PrecisionLine;

const short = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;

/** Collects what the runs' folder holds. */
export function writePeers(out: string): void {
  const files = readdirSync(out).filter((name) => /^(exponents|divergence|precision)-.*\.json$/.test(name));
  const lines = files
    .toSorted()
    .map((name) => JSON.stringify(JSON.parse(readFileSync(join(out, name), "utf8")), short));
  writeFileSync(FILE, `${lines.join("\n")}\n`);
}

/** None before the first run. */
export function readPeers(): PeerLine[] {
  if (!existsSync(FILE)) return [];
  return readFileSync(FILE, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as PeerLine);
}
