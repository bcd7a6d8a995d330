import { crossEntropy, Graph } from "../../graph/index.ts";
import { outputGradients, type Trainee } from "./graphs.ts";

/** Maps the head's inputs, such as `x` and `targets`, to `nats` [...], each target's loss in nats, and `scores`. */
export function traceLoss({ objective }: Trainee): Graph {
  const g = new Graph();
  const { scores, targets } = objective.score(g);
  g.output("nats", crossEntropy(scores, targets));
  if (objective.judged) g.output("scores", scores);
  return g;
}

/**
 * Like `traceLoss`, but also maps `weights` [...], each target's share of the loss, to `dx` and the head's gradients.
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
