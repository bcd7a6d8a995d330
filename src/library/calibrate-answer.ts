import { createHash } from "node:crypto";
import { z } from "zod";
import { generateOptions } from "../engine/decode/answer/generate.ts";
import { type CalibratedGate, gatePath, keepGate } from "../pipelines/answer/gate/artefact.ts";
import { atThreshold, gateTarget, type Judged, thresholdFrom } from "../pipelines/answer/gate/calibrate.ts";
import { type Classifier, fitClassifier, labelRules } from "../pipelines/answer/gate/classifier.ts";
import { featuresOf, type GateInput } from "../pipelines/answer/gate/features.ts";
import { type GateMethod, gateMethods, gateScore } from "../pipelines/answer/gate/gate.ts";
import { checkAnswerOptions } from "../pipelines/answer/options.ts";
import { UserError } from "../util/errors.ts";
import { mean } from "../util/mean.ts";
import { AnswerBranches } from "./answer-branches.ts";
import { type AnswererOptions, bindingOf } from "./answer-pipeline.ts";
import { given } from "./arguments.ts";
import { load } from "./load.ts";
import { openIndex } from "./open-index.ts";

/** A question and its right answers. */
export const answerRow = z.object({
  question: z.string("expected a text").min(1, "expected a text, got an empty one"),
  answers: z
    .union([z.string(), z.array(z.string()).min(1)], "expected a text or a list of them")
    .transform((answers) => [answers].flat()),
});
export type AnswerRow = z.input<typeof answerRow>;

const calibrated = gateMethods.filter((method) => method !== "always" && method !== "never");

/** Options of a gate's calibration; the command line takes the same. */
export const calibrateAnswerOptions = z.strictObject({
  gate: z
    .array(z.enum(calibrated))
    .min(1)
    .default(["margin"])
    .describe(`gates to calibrate, the first for --retrieval auto: ${calibrated.join(", ")} (default: margin)`),
  labels: z
    .enum(labelRules)
    .default("outcome")
    .describe("classifier: learns if retrieval fixes an answer, or also if it breaks one"),
  ...gateTarget.shape,
  maxTokens: generateOptions.shape.maxTokens.unwrap().default(32).describe("most tokens of an answer"),
});
type Chosen = z.output<typeof calibrateAnswerOptions>;

export interface CalibrateAnswersOptions
  extends z.input<typeof calibrateAnswerOptions>,
    Pick<AnswererOptions, "index" | "store" | "quant" | "offline" | "signal" | "onProgress" | "onNotice"> {
  /** Judges an answer by the right ones, 0 to 1. */
  judge: (text: string, answers: readonly string[]) => number;
  /** Passages and their tokens, as answers will have them. */
  answer?: AnswererOptions["answer"];
  /** The rows' name in the record. */
  data?: string | undefined;
  /** The file to write; by default one under MODICUM_HOME that answers find. */
  out?: string | undefined;
  /** Called with the number of finished rows. */
  onRow?: ((done: number, of: number) => void) | undefined;
}

/** A question as both branches answered it. */
export interface JudgedQuestion {
  readonly plain: number;
  readonly retrieved: number;
  readonly input: GateInput;
}

/**
 * Answers every question with passages and without, finds gates' thresholds on them, and keeps the gates, bound to the
 * model's hash and the prompts.
 * @throws UserError
 */
export async function calibrateAnswers(
  model: string,
  rows: readonly AnswerRow[],
  options: CalibrateAnswersOptions,
): Promise<{ file: string; gates: CalibratedGate[]; judged: JudgedQuestion[] }> {
  const { judge, answer, data = "rows", out, onRow, index: name, store, quant, ...rest } = options;
  const { offline, signal, onProgress, onNotice, ...target } = rest;
  const chosen = given("calibrateAnswers' options", calibrateAnswerOptions, target);
  targetOf(chosen);
  const all = given("calibrateAnswers' rows", z.array(answerRow).min(2), rows);
  if (name === undefined) throw new UserError("calibrateAnswers: expected the name of an index", 2);
  const resolving = { offline, signal, onProgress, onNotice };
  await using index = await openIndex(name, { ...resolving, store });
  using loaded = await load(model, { ...resolving, ...(quant && { quant }) });
  const branches = new AnswerBranches(loaded, index, checkAnswerOptions({ ...answer }));
  const judged: JudgedQuestion[] = [];
  for (const [i, { question, answers }] of all.entries()) {
    const { plain, retrieved, input } = await branches.answers(question, chosen.gate, { ...chosen, signal });
    judged.push({ plain: judge(plain.text, answers), retrieved: judge(retrieved.text, answers), input });
    onRow?.(i + 1, all.length);
  }
  const binding = await bindingOf(model, loaded, { quant, adapter: undefined });
  const file = out ?? gatePath(binding);
  const about = { name: data, sha256: sha256(JSON.stringify(all)), questions: all.length };
  const gates = chosen.gate.map((method) => calibratedOn(judged, method, chosen, about));
  for (const gate of gates) await keepGate(file, binding, gate);
  return { file, gates, judged };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** @throws UserError for a target that lacks its number */
const targetOf = ({ gate: _, labels: __, maxTokens: ___, ...target }: Chosen) =>
  given("calibrateAnswers' options", gateTarget, target);

/** A gate with its threshold on these questions. @throws UserError if they do not give one */
export function calibratedOn(
  questions: readonly JudgedQuestion[],
  method: GateMethod,
  chosen: Chosen,
  data: CalibratedGate["data"],
): CalibratedGate {
  const target = targetOf(chosen);
  const classifier = method === "classifier" ? classifierOf(questions, chosen.labels) : undefined;
  const judged = questions.map(
    ({ input, plain, retrieved }): Judged => ({ score: gateScore({ method, classifier }, input), plain, retrieved }),
  );
  const threshold = thresholdFrom(judged, target);
  return {
    ...{ method, threshold, target, data },
    ...(classifier && { classifier }),
    measured: {
      ...atThreshold(judged, threshold),
      always: mean(judged.map(({ retrieved }) => retrieved)),
      never: mean(judged.map(({ plain }) => plain)),
    },
    scores: judged
      .map(({ score }) => score)
      .filter(Number.isFinite)
      .sort((a, b) => a - b),
  };
}

const classifierOf = (questions: readonly JudgedQuestion[], rule: Chosen["labels"]): Classifier =>
  fitClassifier(
    questions.map(({ input, plain, retrieved }) => ({ values: featuresOf(input), plain, retrieved })),
    rule,
  );
