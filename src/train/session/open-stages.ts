import { UserError } from "../../util/errors.ts";
import { completeOptions } from "../methods/complete.ts";
import type { ChosenMethod } from "../methods/method.ts";
import { chosenMethod, methods } from "../methods/registry.ts";
import { type TrainOptions, trainOptions } from "../options.ts";
import { batchStages } from "./batch-stage.ts";
import { chosenFreeze } from "./chosen-freeze.ts";
import { openRun } from "./open-run.ts";
import type { OpenTerms, Stage } from "./stage.ts";

/** Yields a run's stages, which write their artefacts. @throws UserError */
export async function* stagesOf(terms: OpenTerms): AsyncGenerator<Stage, void> {
  const { options, out, openBase, resumes } = terms;
  const chosen = await methodOf(terms);
  if (chosen?.method.stages) {
    yield* chosen.method.stages(chosen.options, terms);
    return;
  }
  const frozen = await chosenFreeze(terms, chosen);
  const freeze = frozen?.names ?? options.freeze;
  yield* batchStages(await openRun({ ...options, freeze }, out, openBase, resumes), terms, chosen, frozen);
}

/** The method of a run, if any. @throws UserError for options that the method does not read */
export async function methodOf(terms: Pick<OpenTerms, "options" | "openBase">): Promise<ChosenMethod | undefined> {
  const named = chosenMethod(terms.options);
  const chosen = named?.method.stages ? named : ((await ownerOf(terms)) ?? named);
  const unscored = chosen?.method.unscored;
  if (unscored !== undefined && terms.options.tasks.length > 0)
    throw new UserError(`tasks: ${unscored}; omit tasks`, 2);
  if (chosen?.method.reads) refuseUnread(terms.options, chosen);
  return chosen;
}

/** The only method that can train a run's model, if any. @throws UserError */
async function ownerOf({
  options,
  openBase,
}: Pick<OpenTerms, "options" | "openBase">): Promise<ChosenMethod | undefined> {
  const base = options.model === undefined ? undefined : await openBase(options.model);
  if (!base && options.freezeMask !== undefined)
    throw new UserError("freezeMask needs an existing model; set model", 2);
  for (const method of methods)
    if (await method.owns?.(options, base?.checkpoint)) return { method, options: method.options.parse({}) };
  return undefined;
}

/** Options that the session itself reads. */
const OF_EVERY_RUN = ["method", "data", "steps", "saveEvery", "evaluateEvery", "tensorboard"] as const;

/** @throws UserError for an option that a method with stages of its own does not read */
function refuseUnread(options: TrainOptions, { method: { name, reads = [] } }: ChosenMethod): void {
  const usual = completeOptions({ method: options.method, data: options.data });
  const read = new Set<string>([...OF_EVERY_RUN, ...reads]);
  const other = (Object.keys(trainOptions.shape) as (keyof TrainOptions)[]).find(
    (key) => !read.has(key) && JSON.stringify(options[key]) !== JSON.stringify(usual[key]),
  );
  if (other !== undefined)
    throw new UserError(`${other}: the method ${name} trains its own kind of model; omit ${other}`, 2);
}
