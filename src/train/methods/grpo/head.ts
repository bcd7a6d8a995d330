import type { Spent } from "../../../graph/index.ts";
import type { Batch } from "../../data/batch.ts";
import type { Head, HeadLoss, HeadTensors, Objective } from "../../heads/objective.ts";

/** Turns a language model's objective into GRPO's loss. */
export const byAdvantage = (objective: Objective): Objective => ({
  ...objective,
  open: (hidden, programs, before) => new AdvantageHead(objective.open(hidden, programs, before)),
});

/**
 * GRPO's loss with one update per sample: each token's probability ratio is 1, so nothing is clipped. The loss is minus
 * the sum of advantages; its gradient is the language model's, with labels weighted by advantages.
 */
class AdvantageHead implements Head {
  constructor(private readonly lm: Head) {}

  async forward(batch: Batch): Promise<HeadLoss> {
    return { nats: lossOf(batch) };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    const labels = batch.labels.map((label, at) => (batch.weights?.[at] === 0 ? -1 : label));
    await this.lm.backward({ ...batch, labels }, weight, tensors, spent);
    return lossOf(batch);
  }

  [Symbol.dispose](): void {
    this.lm[Symbol.dispose]();
  }
}

const lossOf = ({ labels, weights = new Float32Array() }: Batch): number =>
  labels.reduce((sum, label, at) => (label < 0 ? sum : sum - weights[at]!), 0);
