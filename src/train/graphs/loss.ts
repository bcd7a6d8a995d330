import { crossEntropy, Graph } from "../../graph/index.ts";
import { outputGradients, type Trainee } from "./graphs.ts";

/** `x`, `targets` and other inputs of the head → `nats` [...], the negative log-likelihood of each target, and `scores`. */
export function traceLoss({ objective }: Trainee): Graph {
  const g = new Graph();
  const { scores, targets } = objective.score(g);
  g.output("nats", crossEntropy(scores, targets));
  if (objective.judged) g.output("scores", scores);
  return g;
}

/**
 * Like `traceLoss`, with `weights` [...], each target's share of the loss → `dx` and the gradients of the head's weights.
 */
export function traceLossBackward(trainee: Trainee, before: boolean): Graph {
  const g = new Graph();
  const { x, scores, targets } = trainee.objective.score(g);
  const nats = crossEntropy(scores, targets);
  g.output("nats", nats);
  const [dx] = outputGradients(g, trainee, nats, g.input("weights", "f32", nats.shape), before ? [x] : []);
  if (dx) g.output("dx", dx);
  return g;
}
