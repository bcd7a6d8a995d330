import type { Tokenizer } from "../weights/tokenizer/index.ts";
import type { RunData } from "./data/open.ts";
import { generatorOf, openDrawing } from "./drawing/open-drawing.ts";
import { openRun } from "./open-run.ts";
import type { TrainOptions } from "./options.ts";
import type { AnySubject } from "./own-subject.ts";
import { checkRun } from "./run.ts";
import type { Base } from "./subject.ts";

/** A run's model and data, of any kind that is trained. */
export interface OpenedAny {
  readonly subject: AnySubject;
  readonly data: RunData;
  /** Undefined for a model without texts. */
  readonly tokenizer: Tokenizer | undefined;
}

/** Like `openRun`, also for image generators. @throws UserError */
export async function openAny(
  options: TrainOptions,
  out: string,
  openBase: (model: string) => Promise<Base>,
  resumes: boolean,
): Promise<OpenedAny> {
  const base = options.model === undefined ? undefined : await openBase(options.model);
  const generator = generatorOf(options, base?.checkpoint);
  if (!generator) return openRun(options, out, openBase, resumes);
  const opened = await openDrawing(options, generator, () => false);
  checkRun(options, opened.subject, opened.data);
  return { ...opened, tokenizer: undefined };
}
