import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { hashOf, readText } from "../data/files.ts";
import type { RunData } from "../data/open.ts";
import { generatorOf, openDrawing } from "../drawing/open-drawing.ts";
import { refuseSave } from "../graphs/saving-masks.ts";
import { openProjector } from "../methods/projector/open.ts";
import { type ProjectorOptions, projector } from "../methods/projector/projector.ts";
import { chosenMethod } from "../methods/registry.ts";
import type { TrainOptions } from "../options.ts";
import type { AnySubject } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import { openRun } from "./open-run.ts";
import { checkRun } from "./run.ts";

/** A run's model and data, of any kind that is trained. */
export interface OpenedAny {
  readonly subject: AnySubject;
  readonly data: RunData;
  /** Undefined for a model without texts. */
  readonly tokenizer: Tokenizer | undefined;
}

/** Like `openRun`, also for image generators and projectors. @throws UserError */
export async function openAny(
  options: TrainOptions,
  out: string,
  openBase: (model: string) => Promise<Base>,
  resumes: boolean,
): Promise<OpenedAny> {
  const chosen = chosenMethod(options);
  if (chosen?.method.name === projector.name) {
    refuseSave(options, "a projector");
    return openProjector(options, chosen.options as ProjectorOptions, openBase);
  }
  const base = options.model === undefined ? undefined : await openBase(options.model);
  if (!base && options.freezeMask !== undefined)
    throw new UserError("freezeMask is for a model that there is; expected a model", 2);
  const generator = generatorOf(options, base?.checkpoint);
  if (!generator) return withMask(options, await openRun(options, out, openBase, resumes));
  refuseSave(options, "an image generator");
  const opened = await openDrawing(options, generator);
  checkRun(options, opened.subject, opened.data);
  return withMask(options, { ...opened, tokenizer: undefined });
}

/** A run with its mask's contents in the hash of its data, so that it does not go on under another. */
function withMask({ freezeMask }: TrainOptions, run: OpenedAny): OpenedAny {
  if (freezeMask === undefined) return run;
  return { ...run, data: { ...run.data, hash: hashOf([run.data.hash, readText(freezeMask)]) } };
}
