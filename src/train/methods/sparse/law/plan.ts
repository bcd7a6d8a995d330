import { UserError } from "../../../../util/errors.ts";
import { stepsFromComputeFractions } from "../schedule.ts";
import { type Law, predictLoss } from "./fit.ts";

export interface RunPlanOptions {
  /** The FLOPs of training, 6 per parameter and token. */
  readonly compute: number;
  /** 0 for a dense run. */
  readonly sparsity: number;
  readonly law: Law;
  /** The number of tokens that the model reads and writes in its lifetime. */
  readonly inferenceTokens?: number;
}

/** The best run according to a law; what counts as a parameter depends on the law. */
export interface RunPlan {
  /** The number of parameters: at the start (`first`), the mean over the steps, and at the end (`last`). */
  readonly first: number;
  readonly mean: number;
  readonly last: number;
  readonly tokens: number;
  readonly loss: number;
  /** The FLOPs of training and inference if zeros were skipped; inference takes 2 per parameter and token. */
  readonly lifetimeFlops: number;
}

/**
 * Finds the average size and the number of tokens with the lowest loss for a compute budget of 6 · size · tokens
 * (arXiv 2203.15556, equation 4), and the first and last size of a run with this average and the default schedule.
 * @throws UserError
 */
export function planRun({ compute, sparsity, law, inferenceTokens = 0 }: RunPlanOptions): RunPlan {
  if (!(compute > 0)) throw new UserError(`compute: expected a number above 0, got ${compute}`);
  if (!(sparsity >= 0 && sparsity < 1))
    throw new UserError(`sparsity: expected at least 0 and less than 1, got ${sparsity}`);
  const { A, B, alpha, beta } = law;
  const ratio = ((alpha * A) / (beta * B)) ** (1 / (alpha + beta));
  const mean = ratio * (compute / 6) ** (beta / (alpha + beta));
  const tokens = compute / 6 / mean;
  const first = mean * stepsFromComputeFractions(sparsity, 1).total;
  const last = first * (1 - sparsity);
  const loss = predictLoss(law, { parameters: mean, tokens });
  return { first, mean, last, tokens, loss, lifetimeFlops: compute + 2 * last * inferenceTokens };
}
