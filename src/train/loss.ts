import { crossEntropy, Graph, sym } from "../graph/index.ts";
import type { Decoder } from "../models/decoder.ts";
import { outputGradients, type Trainee } from "./graphs.ts";

/** Rows of the stream that the head takes at once: logits of a whole batch would be the largest tensor of a step. */
export const LOSS_ROWS = 128;

/** Rows `x` [1, n, hidden] after the last layer, `targets` i64 [1, n] → `nats` [1, n], the negative log-likelihood of each target. */
export function traceLoss({ decoder }: Trainee): Graph {
  const g = new Graph();
  g.output("nats", nats(g, decoder));
  return g;
}

/**
 * Like `traceLoss`, with `weights` [1, n], each row's share of the loss → `dx` and the gradients of the head's weights.
 */
export function traceLossBackward(trainee: Trainee, before: boolean): Graph {
  const g = new Graph();
  const each = nats(g, trainee.decoder);
  const x = g.inputs.find(({ name }) => name === "x")!.tensor;
  g.output("nats", each);
  const [dx] = outputGradients(g, trainee, each, g.input("weights", "f32", each.shape), before ? [x] : []);
  if (dx) g.output("dx", dx);
  return g;
}

function nats(g: Graph, decoder: Decoder) {
  const n = sym("n");
  const x = g.input("x", "f32", [1, n, decoder.config.hidden]);
  const logits = decoder.logits(g, decoder.finish(g, { branch: x }));
  return crossEntropy(logits, g.input("targets", "i64", [1, n]));
}
