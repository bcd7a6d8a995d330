import { z } from "zod";
import { generateOptions } from "../../../engine/decode/answer/generate.ts";
import { mean } from "../../../util/mean.ts";
import type { CalibratedGate } from "./artefact.ts";
import { atThreshold, type GateSample, type GateTarget, gateTarget, thresholdFrom } from "./calibrate.ts";
import { type Classifier, fitClassifier, labelRules, type Outcome } from "./classifier.ts";
import { featuresOf, type GateInput } from "./features.ts";
import { type Gate, type GateMethod, gateMethods, gateScore } from "./gate.ts";

/** A question and its correct answers. */
export const answerRow = z.object({
  question: z.string("expected a text").min(1, "expected a non-empty text"),
  answers: z
    .union([z.string(), z.array(z.string()).min(1)], "expected a text or a list of texts")
    .transform((answers) => [answers].flat()),
});

const calibrated = gateMethods.filter((method) => method !== "always" && method !== "never");

/** Options of a gate's calibration; the command line takes the same options. */
export const calibrateAnswerOptions = z.strictObject({
  gate: z
    .array(z.enum(calibrated))
    .min(1)
    .default(["margin"])
    .describe(`gates to calibrate; --retrieval auto uses the first: ${calibrated.join(", ")} (default: margin)`),
  labels: z
    .enum(labelRules)
    .default("outcome")
    .describe("classifier: learn whether retrieval fixes an answer, or also whether it breaks one"),
  ...gateTarget.shape,
  maxTokens: generateOptions.shape.maxTokens.unwrap().default(32).describe("maximum tokens of an answer"),
});
type FitOptions = z.output<typeof calibrateAnswerOptions>;

/** A question with its gate inputs, and whether both branches answered it correctly. */
export interface JudgedQuestion extends Outcome {
  readonly input: GateInput;
}

/** The options that define the target. */
export const targetOf = ({ gate: _, labels: __, maxTokens: ___, ...target }: FitOptions): GateTarget => target;

/** Scores questions with a gate. */
export const judgedBy = (gate: Omit<Gate, "threshold">, questions: readonly JudgedQuestion[]): GateSample[] =>
  questions.map(({ input, plain, retrieved }) => ({ score: gateScore(gate, input), plain, retrieved }));

/** Calibrates a gate on these questions. @throws UserError if the questions do not suffice */
export function calibratedOn(
  questions: readonly JudgedQuestion[],
  method: GateMethod,
  chosen: FitOptions,
  data: CalibratedGate["data"],
): CalibratedGate {
  const target = targetOf(chosen);
  const classifier = method === "classifier" ? classifierOf(questions, chosen.labels) : undefined;
  const samples = judgedBy({ method, classifier }, questions);
  const threshold = thresholdFrom(samples, target);
  return {
    ...{ method, threshold, target, data },
    ...(classifier && { classifier }),
    measured: {
      ...atThreshold(samples, threshold),
      always: mean(samples.map(({ retrieved }) => retrieved)),
      never: mean(samples.map(({ plain }) => plain)),
    },
    scores: samples
      .map(({ score }) => score)
      .filter(Number.isFinite)
      .sort((a, b) => a - b),
  };
}

const classifierOf = (questions: readonly JudgedQuestion[], rule: FitOptions["labels"]): Classifier =>
  fitClassifier(
    questions.map(({ input, plain, retrieved }) => ({ values: featuresOf(input), plain, retrieved })),
    rule,
  );
