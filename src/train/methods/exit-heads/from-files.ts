import path from "node:path";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { isOfKind } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import type { Estimate } from "../../session/estimate.ts";
import { checkBest } from "../../session/evaluation.ts";
import { openScorer, scoreWritten } from "../../session/scored-step.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import type { TaskScorer, WrittenModel } from "../../session/tasks.ts";
import { documentsOf } from "./corpus.ts";
import { estimateExits } from "./estimate-exits.ts";
import type { ExitHeadsOptions } from "./exit-heads.ts";
import { type ExitTraining, planExits, runningDecider, stepsOf, withDefaults } from "./exit-plan.ts";
import { exitStages, type TrainedExits } from "./exit-stages.ts";
import type { ScoringOf } from "./row-stage.ts";
import type { Progress } from "./states/collect.ts";
import { writeExits } from "./write.ts";

/** An opened run on files. */
interface FilesTraining extends ExitTraining {
  /** Present if the run has lab tasks. */
  readonly scorer: TaskScorer | undefined;
}

/** Trains a model's exits on text files and writes them into the run's folder. @throws UserError */
export async function* stagesOfFiles(own: ExitHeadsOptions, run: OpenTerms): AsyncGenerator<Stage, void> {
  const training = await openTraining(own, run);
  using _ = training.model;
  const terms = { ...run, onProgress: inTenths(run.onNotice), scoring: scoringIn(training, run) };
  await writeExits(run.out, yield* exitStages(training, terms));
}

/** The total number of steps of all stages. @throws UserError */
export async function stepsOfFiles(own: ExitHeadsOptions, run: OpenTerms): Promise<number> {
  const training = await openTraining(own, run);
  using _ = training.model;
  return stepsOf(await planExits(training), run);
}

/** The cost of all stages. @throws UserError */
export async function estimateOfFiles(own: ExitHeadsOptions, run: OpenTerms): Promise<Estimate> {
  const training = await openTraining(own, run);
  using _ = training.model;
  return await estimateExits(training, run);
}

/** Reads a run's texts and tasks, and loads its model, which the caller owns. @throws UserError */
async function openTraining({ saving, ...own }: ExitHeadsOptions, run: OpenTerms): Promise<FilesTraining> {
  const { model: name, data: files, quant, seed, steps } = run.options;
  if (name === undefined) throw new UserError("model: expected the model whose exits to train", 2);
  if (steps !== undefined) throw new UserError("steps: expected headEpochs and deciderEpochs in the method", 2);
  const options = { ...own, seed };
  checkBest(run.options, false);
  const { decider: kinds = [] } = withDefaults(saving, options);
  if (run.options.tasks.length > 0 && !runningDecider(saving, kinds))
    throw new UserError(`tasks: ${saving} cannot run exits with only ${kinds.join(" and ")} deciders; omit tasks`, 2);
  const documents = documentsOf(files);
  const { checkpoint, tokenizer } = await run.openBase(name);
  if (!isOfKind("decoder", checkpoint))
    throw new UserError(`model: ${name} is not a decoder; expected a model that generates text`, 2);
  const scorer = await openScorer(run.options, run.labTasks, tokenizer);
  const model = await LanguageModel.load(await resolveModel(name), quant);
  const data = { name: files.map((file) => path.basename(file)).join(", "), documents };
  return { model, quant, saving, data, options, scorer };
}

/** Scores exits on a run's lab tasks, using the saving that runs them, with its defaults. */
function scoringIn(
  { scorer, quant }: FilesTraining,
  { options: { model }, out, signal }: OpenTerms,
): ScoringOf<TrainedExits> | undefined {
  if (!scorer) return undefined;
  const write = async (exits: TrainedExits, folder: string): Promise<WrittenModel> => {
    await writeExits(folder, exits);
    const { saving: name, deciders } = exits.metadata;
    const saving = { name, file: folder, ...(name === "dynamax" && { classifier: deciders[0]!.kind }) };
    return { folder, base: model, saving, quant };
  };
  const score = (exits: TrainedExits) => scoreWritten(out, (folder) => write(exits, folder), scorer, signal);
  return { tasks: scorer.tasks, score };
}

/** Reports progress at each tenth of the states, which are computed before the first step. */
function inTenths(onNotice: OpenTerms["onNotice"]): (progress: Progress) => void {
  let tenths = -1;
  return ({ stage, done, of }) => {
    const now = Math.floor((10 * done) / of);
    if (stage !== "states" || now === tenths) return;
    tenths = now;
    onNotice?.(`states of the texts: ${done} of ${of} rows`);
  };
}
