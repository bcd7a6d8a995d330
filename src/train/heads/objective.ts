import type { Graph, Spent, Tensor } from "../../graph/index.ts";
import type { View } from "../../runtime/buffer.ts";
import type { Binding, Program } from "../../runtime/program.ts";
import type { Batch } from "../data/batch.ts";
import type { BatchInput } from "../graphs/stack.ts";

/** A head's scores in a graph. */
export interface HeadScores {
  /** The stream after the last layer, or its labelled rows: the input `x`. */
  readonly x: Tensor;
  /** [..., choices]. */
  readonly scores: Tensor;
  /** The index of the correct choice, i64 [...]. */
  readonly targets: Tensor;
}

/** A model's head, whose loss is the cross-entropy of its scores. */
export interface Objective {
  /** True if the scores are an output, so that correct answers can be counted. */
  readonly judged: boolean;
  score(g: Graph): HeadScores;
  /** The graph inputs that the head reads from a batch, in addition to the layers' inputs. */
  inputs(batch: Batch): Readonly<Record<string, BatchInput>>;
  /** Opens the head and its loss with their programs; `before` is true if anything before the head is trained. */
  open(hidden: number, programs: HeadPrograms, before: boolean): Head;
}

/** A program of the head with its weights. */
export interface HeadProgram {
  readonly program: Program;
  readonly weights: Binding;
}

export interface HeadPrograms {
  readonly forward: HeadProgram;
  readonly backward: HeadProgram;
}

/** A batch's tensors after the last layer. */
export interface HeadTensors {
  readonly stream: View;
  /** The buffer for the stream's gradient; the head overwrites it or, if `adds`, adds to it. */
  readonly gradient: View;
  readonly adds: boolean;
  /** The batch's inputs. */
  readonly inputs: Binding;
}

/** The head's result on a batch's labels. */
export interface HeadLoss {
  /** The sum of the labels' losses. */
  readonly nats: number;
  /** The number of labels predicted correctly; undefined if not counted. */
  readonly correct?: number;
}

/** A model's head with its loss, opened for steps. */
export interface Head extends Disposable {
  forward(batch: Batch, tensors: HeadTensors, spent: Spent): Promise<HeadLoss>;
  /** Adds gradients; `weight` is each label's share of the loss. Returns the sum of the labels' losses in nats. */
  backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number>;
}
