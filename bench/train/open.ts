import { openBase } from "../../src/library/train.ts";
import type { RunData } from "../../src/train/data/open.ts";
import type { TrainOptions } from "../../src/train/options.ts";
import { openRun } from "../../src/train/session/open-run.ts";
import type { Subject } from "../../src/train/subject/subject.ts";

/** A run's model and data. A new model's tokenizer is written into `folder`. */
export const openTraining = (options: TrainOptions, folder: string): Promise<{ subject: Subject; data: RunData }> =>
  openRun(options, folder, (model) => openBase(model, {}));
