import type { Graph, Tensor } from "../../graph/index.ts";
import type { Program } from "../../runtime/program.ts";
import type { Decoder } from "../decoder/decoder.ts";

/** A small graph on the stream at a cut, run once for all rows that need it. */
export interface StepProbe {
  /** Probes with the same key share one program, with a separate state per row. */
  readonly key: string;
  /** True if the probe uses the model's head, whose packed weights are then shared. */
  readonly shared?: boolean;
  /**
   * The size of the state that a row keeps from token to token, and that starts as zeros. A probe with a state also
   * reads every prompt token.
   */
  readonly stateSize?: number;
  /**
   * `stream` [batch, tokens, hidden] and `state` [batch, stateSize] → `found` [batch, tokens, n], the next `state`, and
   * optionally `logits` [batch, tokens, vocabulary], which rows that exit then use. Its constants are in memory, or in
   * the folder of the model's weights.
   */
  trace(g: Graph, decoder: Decoder, stream: Tensor, state?: Tensor): ProbeOutputs;
}

interface ProbeOutputs {
  readonly found: Tensor;
  readonly logits?: Tensor;
  readonly state?: Tensor;
}

/** Predicts the tokens of rows that exit at a cut. */
export interface ExitHead {
  /** Heads with the same key share one program. */
  readonly key: string;
  /** True if the head uses the model's head, whose packed weights are then shared. */
  readonly shared?: boolean;
  /** `stream` [batch, tokens, hidden] → logits [batch, tokens, vocabulary]. Constants are stored as in a probe. */
  trace(g: Graph, decoder: Decoder, stream: Tensor): Tensor;
}

/** A probe ready to run. */
export interface CompiledProbe {
  readonly program: Program;
  /** Updates the state over a prompt's tokens; undefined if the probe has no state. */
  readonly reader: Program | undefined;
  /** The number of values computed for each token. */
  readonly width: number;
  readonly hasLogits: boolean;
  /** The size of the state; 0 without a state. */
  readonly stateSize: number;
}
