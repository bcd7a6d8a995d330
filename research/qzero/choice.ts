import type { QZeroInput } from "../../src/index.ts";
import type { gainOf } from "./measure.ts";

type Gain = ReturnType<typeof gainOf>;

/** A set's rows with the documents of one corpus. */
interface NamedCell {
  readonly set: string;
  readonly corpus: string;
  readonly rows: number;
  /** Accuracy of the text alone. */
  readonly plain: number;
}

/** A setting on the choosing halves. */
export interface Setting {
  readonly qzero: QZeroInput;
  /** The mean of the gains in each cell. */
  readonly gain: number;
  readonly gains: readonly number[];
}

export interface CellVerdict extends NamedCell {
  readonly accuracy: number;
  readonly lookedUp: number;
  readonly gain: Gain;
}

/** A setting on the judging halves and SST-2. */
export interface Verdict {
  readonly arm: string;
  readonly qzero: QZeroInput;
  /** Over all rows of all sets. */
  readonly gain: Gain;
  readonly cells: readonly CellVerdict[];
}

/** The best gate of the choosing halves, on the judging halves and SST-2. */
export interface GateVerdict {
  readonly qzero: QZeroInput;
  readonly lookedUp: number;
  /** The gain over the text alone, and over random gates that look up as many texts of each cell. */
  readonly gain: Gain;
  readonly overRandom: Gain;
  readonly cells: readonly GateRows[];
}

/** Digits of a cell's rows, 1 is right: of the text alone, looked up, and as the gate decides. */
export interface GateRows {
  readonly set: string;
  readonly corpus: string;
  readonly plain: string;
  readonly always: string;
  readonly gated: string;
  /** 1 for a row that the gate looks up. */
  readonly looked: string;
}

/** A file of research/qzero/choose.ts. */
export interface Choice {
  readonly model: string;
  readonly seed: number;
  readonly chosen: QZeroInput;
  readonly choosing: { readonly cells: readonly NamedCell[]; readonly settings: readonly Setting[] };
  readonly judged: readonly Verdict[];
  /** The best gate, if its margins were calibrated on the model's own scores. */
  readonly gate?: GateVerdict;
}
