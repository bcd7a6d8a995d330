import { z } from "zod";
import { AnswerBranches } from "../pipelines/answer/branches.ts";
import { type CalibratedGate, gatePath, keepGate } from "../pipelines/answer/gate/artefact.ts";
import { gateTarget } from "../pipelines/answer/gate/calibrate.ts";
import { bindingOf } from "../pipelines/answer/gate/find.ts";
import {
  answerRow,
  calibrateAnswerOptions,
  calibratedOn,
  type JudgedQuestion,
  targetOf,
} from "../pipelines/answer/gate/fit.ts";
import { checkAnswerOptions } from "../pipelines/answer/options.ts";
import { UserError } from "../util/errors.ts";
import { sha256Of } from "../util/hash.ts";
import type { AnswererOptions } from "./answer-pipeline.ts";
import { checkArgument } from "./arguments.ts";
import { load } from "./load.ts";
import { openIndex } from "./open-index.ts";
import { OwnResources } from "./text-pipeline.ts";

/** A question and its correct answers. */
export type AnswerRow = z.input<typeof answerRow>;

export interface CalibrateAnswersOptions
  extends z.input<typeof calibrateAnswerOptions>,
    Pick<AnswererOptions, "index" | "store" | "quant" | "offline" | "signal" | "onProgress" | "onNotice"> {
  /** Scores an answer against the correct ones, from 0 to 1. */
  judge: (text: string, answers: readonly string[]) => number;
  /** The number of passages, and their maximum length in tokens; later answers should use the same values. */
  answer?: AnswererOptions["answer"];
  /** The rows' name in the record. */
  data?: string | undefined;
  /** The file to write; the default is in MODICUM_HOME, where answers look for it. */
  out?: string | undefined;
  /** Called with the number of finished rows. */
  onRow?: ((done: number, of: number) => void) | undefined;
}

/**
 * Answers every question with and without passages, computes the gates' thresholds, and stores the gates, bound to the
 * model's hash and the prompt template.
 * @throws UserError
 */
export async function calibrateAnswers(
  model: string,
  rows: readonly AnswerRow[],
  options: CalibrateAnswersOptions,
): Promise<{ file: string; gates: CalibratedGate[]; judged: JudgedQuestion[] }> {
  const { judge, answer, data = "rows", out, onRow, index: name, store, quant, ...rest } = options;
  const { offline, signal, onProgress, onNotice, ...target } = rest;
  const chosen = checkArgument("calibrateAnswers' options", calibrateAnswerOptions, target);
  checkArgument("calibrateAnswers' options", gateTarget, targetOf(chosen));
  const all = checkArgument("calibrateAnswers' rows", z.array(answerRow).min(2), rows);
  if (name === undefined) throw new UserError("calibrateAnswers: expected the name of an index", 2);
  const resolving = { offline, signal, onProgress, onNotice };
  await using index = await openIndex(name, { ...resolving, store });
  using loaded = await load(model, { ...resolving, ...(quant && { quant }) });
  const resources = new OwnResources({ model }, { model: loaded }, { quant, index });
  const branches = new AnswerBranches(loaded.name, resources, checkAnswerOptions({ ...answer }));
  const judged: JudgedQuestion[] = [];
  for (const [i, { question, answers }] of all.entries()) {
    const { plain, retrieved, input } = await branches.answers(question, chosen.gate, { ...chosen, signal });
    judged.push({ plain: judge(plain.text, answers), retrieved: judge(retrieved.text, answers), input });
    onRow?.(i + 1, all.length);
  }
  const binding = await bindingOf(resources);
  const file = out ?? gatePath(binding);
  const metadata = { name: data, sha256: sha256Of(JSON.stringify(all)), questions: all.length };
  const gates = chosen.gate.map((method) => calibratedOn(judged, method, chosen, metadata));
  for (const gate of gates) await keepGate(file, binding, gate);
  return { file, gates, judged };
}
