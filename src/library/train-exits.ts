import { z } from "zod";
import { type ExitsFile, exitsFile, exitsJson } from "../savings/depth/exits/artefact.ts";
import { removeStates } from "../train/checkpoint/state.ts";
import { completeOptions, withMethod } from "../train/methods/complete.ts";
import { exitStages } from "../train/methods/exit-heads/exit-stages.ts";
import { exitTrainOptions, trainedSavings } from "../train/methods/exit-heads/options.ts";
import type { Progress } from "../train/methods/exit-heads/states/collect.ts";
import { writeExits } from "../train/methods/exit-heads/write.ts";
import { runSession, type Session } from "../train/session/session.ts";
import { UserError } from "../util/errors.ts";
import { readJson } from "../weights/json-file.ts";
import { type Quant, quants } from "../weights/prepared/quant.ts";
import { checkArgument, model as modelSchema, texts } from "./arguments.ts";
import type { Model } from "./model.ts";
import { openBase } from "./train.ts";

export interface TrainExitsOptions extends z.input<typeof exitTrainOptions> {
  /** The form that the model was loaded in. */
  quant?: Quant | undefined;
  /** The texts' name in the record. */
  data?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

const terms = z.strictObject({
  quant: z.enum(quants).default("auto"),
  data: z.string().default("texts"),
  signal: z.custom<AbortSignal>().optional(),
  onProgress: z.custom<NonNullable<TrainExitsOptions["onProgress"]>>().optional(),
});

/**
 * Trains exits of a decoder on texts, each a document, and writes them into the folder `out`; `dynamax:file=OUT` and
 * `sec:file=OUT` use them. The model itself does not change.
 * @throws UserError if the model is not a decoder, or the texts are too short
 */
export async function trainExits(
  model: Model,
  saving: (typeof trainedSavings)[number],
  documents: readonly string[],
  out: string,
  options: TrainExitsOptions = {},
): Promise<ExitsFile> {
  const { language } = checkArgument("trainExits' model", modelSchema, model);
  const name = checkArgument("trainExits' saving", z.enum(trainedSavings), saving);
  const all = checkArgument("trainExits' documents", texts, documents);
  if (all.length === 0) throw new UserError("trainExits: expected at least one text, got none");
  const { quant, data, signal, onProgress, ...rest } = options;
  const how = checkArgument("trainExits' options", terms, { quant, data, signal, onProgress });
  const chosen = checkArgument("trainExits' options", exitTrainOptions, rest);
  const named = withMethod("exit-heads", { ...chosen, saving: name });
  const session: Session = {
    options: completeOptions({ ...named, model: language.source.name, quant: how.quant, data: how.data }),
    ...{ out, reuse: "unfinished" },
    async *stages(run) {
      const training = { model: language, quant: how.quant, saving: name, options: chosen };
      const stages = exitStages({ ...training, data: { name: how.data, documents: all } }, { ...run, onProgress });
      await writeExits(out, yield* stages);
    },
  };
  await runSession(session, (model) => openBase(model, {}), {}, signal);
  // Removes the training states; later calls need only the exits.
  await removeStates(out);
  return readJson(exitsJson(out), exitsFile, "trained exits");
}
