import type { Graph, Tensor } from "../../graph/index.ts";
import type { Program } from "../../runtime/program.ts";
import type { Decoder } from "../decoder/decoder.ts";

/** A small graph over the stream at a cut, run once for all rows that need it. */
export interface StepProbe {
  /** Probes with the same key are one program, with one state per row. */
  readonly key: string;
  /** True if it reads the model's head, whose packed weights are then shared. */
  readonly shared?: boolean;
  /**
   * Numbers of its state, which a row keeps from token to token; zeros before the first. A probe with a state also
   * reads every prompt token.
   */
  readonly stateSize?: number;
  /**
   * `stream` [batch, tokens, hidden] and `state` [batch, stateSize] → `found` [batch, tokens, n], the next `state`, and
   * optionally `logits` [batch, tokens, vocabulary], which rows that leave then use. Its constants are in memory, or
   * beside the model's own.
   */
  trace(g: Graph, decoder: Decoder, stream: Tensor, state?: Tensor): ProbeOutputs;
}

interface ProbeOutputs {
  readonly found: Tensor;
  readonly logits?: Tensor;
  readonly state?: Tensor;
}

/** Predicts the tokens of rows that leave at a cut. */
export interface ExitHead {
  /** Heads with the same key are one program. */
  readonly key: string;
  /** True if it reads the model's head, whose packed weights are then shared. */
  readonly shared?: boolean;
  /** `stream` [batch, tokens, hidden] → logits [batch, tokens, vocabulary]. Constants as in a probe. */
  trace(g: Graph, decoder: Decoder, stream: Tensor): Tensor;
}

/** A probe ready to run. */
export interface CompiledProbe {
  readonly program: Program;
  /** Updates the state over a prompt's tokens; undefined if it has none. */
  readonly reader: Program | undefined;
  /** Numbers found for each token. */
  readonly width: number;
  readonly hasLogits: boolean;
  /** 0: it has no state. */
  readonly stateSize: number;
}
