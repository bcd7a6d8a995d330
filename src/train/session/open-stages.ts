import { UserError } from "../../util/errors.ts";
import { generatorOf, openDrawing } from "../drawing/open-drawing.ts";
import { refuseSave } from "../graphs/saving-masks.ts";
import { completeOptions } from "../methods/complete.ts";
import type { ChosenMethod } from "../methods/method.ts";
import { chosenMethod } from "../methods/registry.ts";
import { type TrainOptions, trainOptions } from "../options.ts";
import { batchStages, checkRun, type Opened } from "./batch-stage.ts";
import { openRun } from "./open-run.ts";
import type { OpenTerms, Stage } from "./stage.ts";

/** The stages of a run, which write what they have trained. @throws UserError */
export async function* stagesOf(terms: OpenTerms): AsyncGenerator<Stage, void> {
  const chosen = chosenMethod(terms.options);
  if (chosen?.method.stages) {
    if (chosen.method.reads) refuseUnread(terms.options, chosen);
    yield* chosen.method.stages(chosen.options, terms);
  } else yield* batchStages(await openAny(terms), terms, chosen);
}

/** Options that the session itself reads. */
const OF_EVERY_RUN = ["method", "data", "steps", "saveEvery", "evaluateEvery"] as const;

/** @throws UserError for an option that a method with stages of its own does not read */
function refuseUnread(options: TrainOptions, { method: { name, reads = [] } }: ChosenMethod): void {
  const usual = completeOptions({ method: options.method, data: options.data });
  const read = new Set<string>([...OF_EVERY_RUN, ...reads]);
  const other = (Object.keys(trainOptions.shape) as (keyof TrainOptions)[]).find(
    (key) => !read.has(key) && JSON.stringify(options[key]) !== JSON.stringify(usual[key]),
  );
  if (other !== undefined)
    throw new UserError(`${other}: the method ${name} trains a model of its own; expected no ${other}`, 2);
}

/** A run's model and data, also of image generators. @throws UserError */
async function openAny({ options, out, openBase, resumes }: OpenTerms): Promise<Opened> {
  const base = options.model === undefined ? undefined : await openBase(options.model);
  if (!base && options.freezeMask !== undefined)
    throw new UserError("freezeMask is for a model that there is; expected a model", 2);
  const generator = generatorOf(options, base?.checkpoint);
  if (!generator) return openRun(options, out, openBase, resumes);
  refuseSave(options, "an image generator");
  const opened = await openDrawing(options, generator);
  checkRun(options, opened.subject, opened.data);
  return { ...opened, tokenizer: undefined };
}
