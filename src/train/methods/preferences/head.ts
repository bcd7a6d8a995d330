import type { Spent } from "../../../graph/index.ts";
import type { Batch } from "../../data/batch.ts";
import type { Head, HeadLoss, HeadTensors, Objective } from "../../heads/objective.ts";
import type { ComparisonBatch } from "./comparisons.ts";
import type { JudgedSample, PreferenceRule, ScoredSample, ScoredSequence } from "./losses.ts";

export interface PreferenceLoss {
  readonly rule: PreferenceRule;
  /** True to add the language model's loss on the chosen rows' labels, including prompts. */
  readonly languageModel: boolean;
}

/** Replaces a language model's loss with a loss on whole completions. */
export const comparing = (objective: Objective, loss: PreferenceLoss): Objective => ({
  ...objective,
  open: (hidden, programs, before) => new PreferenceHead(objective.open(hidden, programs, before), loss),
});

interface JudgedBatch {
  readonly samples: readonly JudgedSample[];
  /** The sum of the samples' losses. */
  readonly loss: number;
  /**
   * The language model's mean loss on the chosen rows' labels, and the factor of each label's loss in `loss`: the
   * number of samples divided by the number of labels.
   */
  readonly written: { readonly mean: number; readonly share: number } | undefined;
}

/** The sum of a row's label losses in nats, and the number of labels. */
interface RowLabels {
  readonly nats: number;
  readonly count: number;
}

/**
 * Scores completions with the language model's own programs. A loss depends only on a completion's log-probability, so
 * its gradient is the language model's gradient, with the completion's labels weighted by the loss's derivative.
 */
class PreferenceHead implements Head {
  constructor(
    private readonly lm: Head,
    private readonly terms: PreferenceLoss,
  ) {}

  async forward(batch: Batch, tensors: HeadTensors, spent: Spent): Promise<HeadLoss> {
    const { samples, loss } = await this.#judge(batch, tensors, spent);
    const correct = samples.reduce((sum, { correct }) => sum + Number(correct ?? Number.NaN), 0);
    return { nats: loss, correct };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    const compared = comparedIn(batch);
    const { samples, loss, written } = await this.#judge(batch, tensors, spent);
    for (const { figures } of samples) compared.of.add(figures);
    if (written) compared.of.add({ nll_loss: written.mean });
    const share = written?.share ?? 0;
    const weights = new Float32Array(batch.labels.length);
    for (const [i, { starts }] of compared.samples.entries())
      for (const [k, start] of starts.entries()) {
        const row = (2 * i + k) * batch.tokens;
        if (k === 0) weights.fill(share, row, row + start);
        weights.fill((k === 0 ? share : 0) - samples[i]!.slopes[k]!, row + start, row + batch.tokens);
      }
    const labels = batch.labels.map((label, at) => (weights[at] === 0 ? -1 : label));
    await this.lm.backward({ ...batch, labels, weights }, weight, tensors, spent);
    return loss;
  }

  async #judge(batch: Batch, tensors: HeadTensors, spent: Spent): Promise<JudgedBatch> {
    const compared = comparedIn(batch);
    const scored: ScoredSample[] = [];
    const chosen = { nats: 0, count: 0 };
    for (const [i, { place, starts, label }] of compared.samples.entries()) {
      const labelsOf = (row: number, from: number, to: number) =>
        this.#labels(batch, row * batch.tokens + from, row * batch.tokens + to, tensors, spent);
      const rows = [
        await labelsOf(2 * i, starts[0], batch.tokens),
        await labelsOf(2 * i + 1, starts[1], batch.tokens),
      ] as const;
      const [first, second] = rows.map((row, k) => sequenceOf(row, compared, place + k));
      scored.push({ sequences: [first!, second!], label });
      if (!this.terms.languageModel) continue;
      const prompt = await labelsOf(2 * i, 0, starts[0]);
      chosen.nats += prompt.nats + rows[0].nats;
      chosen.count += prompt.count + rows[0].count;
    }
    const samples = this.terms.rule(scored);
    const written =
      chosen.count === 0 ? undefined : { mean: chosen.nats / chosen.count, share: scored.length / chosen.count };
    const own = scored.length * (written?.mean ?? 0);
    return { samples, written, loss: samples.reduce((sum, { loss }) => sum + loss, own) };
  }

  /** Scores the labels between `from`, inclusive, and `to`, exclusive. */
  async #labels(batch: Batch, from: number, to: number, tensors: HeadTensors, spent: Spent): Promise<RowLabels> {
    const labels = new Int32Array(batch.labels.length).fill(-1);
    labels.set(batch.labels.subarray(from, to), from);
    const { nats } = await this.lm.forward({ ...batch, labels }, tensors, spent);
    return { nats, count: labels.reduce((sum, label) => sum + Number(label >= 0), 0) };
  }

  [Symbol.dispose](): void {
    this.lm[Symbol.dispose]();
  }
}

/**
 * Until the reference is recorded, the model is its own reference. Both scores are rounded to float32, so that an
 * unchanged model has rewards of 0.
 */
function sequenceOf({ nats, count }: RowLabels, { of, records }: ComparisonBatch, place: number): ScoredSequence {
  const policy = Math.fround(-nats);
  if (records) of.reference[place] = policy;
  const reference = of.reference[place]!;
  return { policy, tokens: count, reference: Number.isNaN(reference) ? policy : reference };
}

function comparedIn({ compared }: Batch): ComparisonBatch {
  if (!compared) throw new Error("a batch of a preference method must have comparisons");
  return compared;
}
