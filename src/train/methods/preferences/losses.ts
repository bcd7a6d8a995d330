/** A sequence's scores. */
export interface ScoredSequence {
  /** The completion's log-probability under the model. */
  readonly policy: number;
  /** The completion's log-probability under the reference; equals `policy` if there is no reference. */
  readonly reference: number;
  /** The number of tokens in the completion. */
  readonly tokens: number;
}

export interface ScoredSample {
  readonly sequences: readonly [ScoredSequence, ScoredSequence];
  readonly label?: boolean | undefined;
}

export interface JudgedSample {
  readonly loss: number;
  /** The loss's derivatives with respect to the two sequences' log-probabilities. */
  readonly slopes: readonly [number, number];
  /** Metrics for the step's report, under TRL's names. */
  readonly figures: Readonly<Record<string, number>>;
  /** True if the chosen completion has the higher reward; undefined without pairs. */
  readonly correct?: boolean;
}

/** A loss on a batch's samples, as TRL 1.16 computes it. */
export type PreferenceRule = (samples: readonly ScoredSample[]) => JudgedSample[];

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
/** −log σ(z). */
const softplusOfMinus = (z: number): number => Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

type PairJudgement = Pick<JudgedSample, "loss" | "slopes"> & {
  readonly rewards: readonly [number, number];
  readonly figures?: JudgedSample["figures"];
};

/** A loss computed separately on each pair of a chosen and a rejected completion. */
const byPair =
  (judge: (chosen: ScoredSequence, rejected: ScoredSequence) => PairJudgement): PreferenceRule =>
  (samples) =>
    samples.map(({ sequences: [chosen, rejected] }) => {
      const { loss, slopes, rewards, figures } = judge(chosen, rejected);
      const correct = rewards[0] > rewards[1];
      const shared = {
        ...{ "rewards/chosen": rewards[0], "rewards/rejected": rewards[1], "rewards/accuracies": Number(correct) },
        ...{ "logps/chosen": chosen.policy, "logps/rejected": rejected.policy },
      };
      return { loss, slopes, correct, figures: { ...shared, ...figures } };
    });

const opposite = (slope: number): [number, number] => [slope, -slope];
const logRatio = ({ policy, reference }: ScoredSequence): number => policy - reference;

/** Log-probabilities per token, which TRL reports for losses that use them. */
const meansOf = (chosen: number, rejected: number) => ({ "logps/chosen": chosen, "logps/rejected": rejected });

/** DPO (Rafailov et al., arXiv 2305.18290); `smoothing`: Robust DPO (Chowdhury et al., arXiv 2403.00409). */
export const dpoLoss = (beta: number, smoothing = 0): PreferenceRule =>
  byPair((chosen, rejected) => {
    const rewards = [beta * logRatio(chosen), beta * logRatio(rejected)] as const;
    const z = rewards[0] - rewards[1];
    const scale = 1 - 2 * smoothing;
    return {
      loss: ((1 - smoothing) * softplusOfMinus(z) - smoothing * softplusOfMinus(-z)) / scale,
      slopes: opposite((-beta * ((1 - smoothing) * sigmoid(-z) + smoothing * sigmoid(z))) / scale),
      rewards,
    };
  });

/** IPO (Azar et al., arXiv 2310.12036), which uses per-token means, as in TRL. */
export const ipoLoss = (beta: number): PreferenceRule =>
  byPair((chosen, rejected) => {
    const apart = logRatio(chosen) / chosen.tokens - logRatio(rejected) / rejected.tokens - 1 / (2 * beta);
    return {
      loss: apart ** 2,
      slopes: [(2 * apart) / chosen.tokens, (-2 * apart) / rejected.tokens],
      rewards: [beta * logRatio(chosen), beta * logRatio(rejected)],
    };
  });

/** SimPO (Meng et al., arXiv 2405.14734): compares mean log-probabilities with a margin, without a reference. */
export const simpoLoss = (beta: number, gamma: number): PreferenceRule =>
  byPair((chosen, rejected) => {
    const [a, b] = [chosen.policy / chosen.tokens, rejected.policy / rejected.tokens];
    const z = beta * (a - b) - gamma;
    const slope = -beta * sigmoid(-z);
    return {
      loss: softplusOfMinus(z),
      slopes: [slope / chosen.tokens, -slope / rejected.tokens],
      rewards: [beta * a, beta * b],
      figures: meansOf(a, b),
    };
  });

/** ORPO's odds-ratio term (Hong et al., arXiv 2403.07691). */
export const orpoLoss = (beta: number): PreferenceRule =>
  byPair((chosen, rejected) => {
    // The mean is clamped, because a mean log-probability of 0 has infinite odds.
    const meanOf = ({ policy, tokens }: ScoredSequence) => Math.min(policy / tokens, -1e-7);
    const [a, b] = [meanOf(chosen), meanOf(rejected)];
    const rest = (mean: number) => -Math.expm1(mean);
    const z = a - Math.log(rest(a)) - (b - Math.log(rest(b)));
    const slope = -beta * sigmoid(-z);
    return {
      loss: beta * softplusOfMinus(z),
      slopes: [slope / rest(a) / chosen.tokens, -slope / rest(b) / rejected.tokens],
      rewards: [beta * a, beta * b],
      figures: { ...meansOf(a, b), log_odds_ratio: -softplusOfMinus(z), log_odds_chosen: z },
    };
  });

interface KtoTerms {
  readonly beta: number;
  readonly desirable_weight: number;
  readonly undesirable_weight: number;
}

/** KTO (Ethayarajh et al., arXiv 2402.01306): the mismatched second sequences estimate the KL term. */
export const ktoLoss =
  ({ beta, desirable_weight, undesirable_weight }: KtoTerms): PreferenceRule =>
  (samples) => {
    const kl = samples.reduce((sum, { sequences }) => sum + logRatio(sequences[1]), 0) / Math.max(1, samples.length);
    const zero = Math.max(0, kl);
    return samples.map(({ sequences: [sequence], label = true }) => {
      const [sign, weight] = label ? [1, desirable_weight] : [-1, undesirable_weight];
      const s = sigmoid(sign * beta * (logRatio(sequence) - zero));
      const name = label ? "chosen" : "rejected";
      return {
        loss: weight * (1 - s),
        slopes: [-weight * sign * beta * s * (1 - s), 0],
        figures: {
          [`rewards/${name}`]: beta * logRatio(sequence),
          [`logps/${name}`]: sequence.policy,
          kl: zero,
        },
      };
    });
  };
