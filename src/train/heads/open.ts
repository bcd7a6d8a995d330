import type { Graph } from "../../graph/index.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { traceLoss, traceLossBackward } from "../graphs/loss.ts";
import { bindWeights } from "../step/bind-weights.ts";
import type { ParameterStore } from "../step/parameters.ts";
import type { Programs } from "../step/programs.ts";
import type { Head } from "./objective.ts";

/** Opens a model's head with its programs; `before` is true if anything before the head is trained. */
export async function openHead(
  trainee: Trainee,
  store: ParameterStore,
  programs: Programs,
  before: boolean,
): Promise<Head> {
  const bound = async (graph: Graph) => ({
    program: await programs.of(graph),
    weights: bindWeights(graph, trainee, store),
  });
  const forward = await bound(traceLoss(trainee));
  const backward = await bound(traceLossBackward(trainee, before));
  return trainee.objective.open(trainee.stack.hidden, { forward, backward }, before);
}
