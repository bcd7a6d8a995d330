import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { fitLogistic, type Logistic, logitsOf } from "../../../util/logistic.ts";
import { folded, standardised, standardOf } from "../../classify/fit-head.ts";
import { featureNames } from "./features.ts";

const linear = z.strictObject({ weights: z.array(z.number()), bias: z.number() });
type Linear = z.output<typeof linear>;

/** Logistic regression over named features, calibrated by Platt scaling, which is folded into its weights. */
export const classifierSchema = z.strictObject({
  features: z.array(z.string()),
  /** P(the plain answer is wrong and retrieval corrects it). */
  fixes: linear,
  /** P(retrieval breaks a correct answer); if set, the score is `fixes` minus `breaks`. */
  breaks: linear.optional(),
});
export type Classifier = z.output<typeof classifierSchema>;

/**
 * P(retrieval fixes the answer), minus P(retrieval breaks it) if the classifier models that; NaN if a feature is NaN.
 * @throws UserError if the classifier is for other features
 */
export function probabilityOf({ features, fixes, breaks }: Classifier, values: readonly number[]): number {
  if (features.join() !== featureNames.join())
    throw new UserError(
      `the gate was trained on the features ${features.join(", ")}, but this version has ${featureNames.join(", ")}; calibrate it again`,
    );
  return sigmoid(logitOf(fixes, values)) - (breaks ? sigmoid(logitOf(breaks, values)) : 0);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const logitOf = ({ weights, bias }: Linear, values: readonly number[]): number =>
  weights.reduce((sum, w, i) => sum + w * values[i]!, bias);

/** 1 for each branch that answered a question correctly, else 0. */
export interface Outcome {
  readonly plain: number;
  readonly retrieved: number;
}

/** A question's features, and whether both branches answered it correctly. */
export interface JudgedFeatures extends Outcome {
  readonly values: readonly number[];
}

/**
 * `outcome`: the label is 1 if only the retrieved answer is correct, 0 if the plain answer is correct; questions
 * without a correct answer are left out (as in SKR and Adaptive-RAG). `benefit`: also learns, from all questions, which
 * answers retrieval breaks.
 */
export const labelRules = ["outcome", "benefit"] as const;
export type LabelRule = (typeof labelRules)[number];

/** @throws UserError for fewer than ten usable questions, or if all have the same label */
export function fitClassifier(rows: readonly JudgedFeatures[], rule: LabelRule): Classifier {
  const whole = rows.filter(({ values }) => values.every(Number.isFinite));
  const fixed = (row: Outcome) => Number(row.plain < 0.5 && row.retrieved >= 0.5);
  const broken = (row: Outcome) => Number(row.plain >= 0.5 && row.retrieved < 0.5);
  const features = [...featureNames];
  switch (rule) {
    case "outcome": {
      const known = whole.filter(({ plain, retrieved }) => Math.max(plain, retrieved) >= 0.5);
      return { features, fixes: fitted(known, known.map(fixed), "that retrieval fixes") };
    }
    case "benefit":
      return {
        features,
        fixes: fitted(whole, whole.map(fixed), "that retrieval fixes"),
        breaks: fitted(whole, whole.map(broken), "that retrieval breaks"),
      };
  }
}

const FOLDS = 5;
const L2S = [1, 0.1, 0.01, 1e-3] as const;

/** Fits the weights; L2 strength and Platt scaling are chosen by predictions on held-out folds. */
function fitted(rows: readonly JudgedFeatures[], labels: readonly number[], what: string): Linear {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  if (Math.min(ones, labels.length - ones) < FOLDS)
    throw new UserError(
      `a gate needs at least ${FOLDS} questions ${what} and ${FOLDS} other questions, got ${ones} and ${labels.length - ones}`,
    );
  const values = rows.map((row) => row.values);
  const scaled = L2S.map((l2) => ({ l2, scale: platt(outOfFold(values, labels, l2), labels) }));
  const { l2, scale } = scaled.reduce((best, one) => (one.scale.loss < best.scale.loss ? one : best));
  const { weights, bias } = margins(fitWith(values, labels, l2));
  return { weights: weights.map((w) => scale.weight * w), bias: scale.weight * bias + scale.bias };
}

/** Deals the questions of each label to the folds alternately. */
function foldsOf(labels: readonly number[]): number[] {
  const dealt = [0, 0];
  return labels.map((label) => dealt[label]!++ % FOLDS);
}

function outOfFold(values: readonly (readonly number[])[], labels: readonly number[], l2: number): number[] {
  const folds = foldsOf(labels);
  const models = Array.from({ length: FOLDS }, (_, fold) => {
    const seen = <T>(all: readonly T[]) => all.filter((_, i) => folds[i] !== fold);
    return margins(fitWith(seen(values), seen(labels), l2));
  });
  return values.map((row, i) => logitOf(models[folds[i]!]!, row));
}

function fitWith(values: readonly (readonly number[])[], labels: readonly number[], l2: number): Logistic {
  const scale = standardOf(values);
  const rows = values.map((row) => standardised(row, scale));
  return folded(fitLogistic(rows, labels, { l2 }), scale);
}

/** Reduces a two-class classifier to one linear function, the margin of class 1. */
function margins(model: Logistic): Linear {
  const { width, weights } = model;
  const [none, some] = logitsOf(model, new Float64Array(width));
  return {
    weights: Array.from({ length: width }, (_, i) => weights[width + i]! - weights[i]!),
    bias: some! - none!,
  };
}

/** L2 strength for Platt scaling, too weak to affect the result. */
const PLATT_L2 = 1e-6;

/** Fits σ(weight·logit + bias) by log-loss (Platt 1999); a weight that would reverse the order becomes 0. */
function platt(logits: readonly number[], labels: readonly number[]): { weight: number; bias: number; loss: number } {
  const { weights, bias } = margins(
    fitLogistic(
      logits.map((z) => [z]),
      labels,
      { l2: PLATT_L2 },
    ),
  );
  const rate = labels.reduce((sum, label) => sum + label, 0) / labels.length;
  const scale = weights[0]! > 0 ? { weight: weights[0]!, bias } : { weight: 0, bias: Math.log(rate / (1 - rate)) };
  return {
    ...scale,
    loss: logLoss(
      logits.map((z) => scale.weight * z + scale.bias),
      labels,
    ),
  };
}

const logLoss = (logits: readonly number[], labels: readonly number[]): number =>
  logits.reduce((sum, z, i) => sum - Math.log(sigmoid(labels[i] ? z : -z)), 0) / labels.length;
