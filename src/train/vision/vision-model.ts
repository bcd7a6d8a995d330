import type { Decoder } from "../../models/decoder/decoder.ts";
import type { Vision } from "../../models/images/vision.ts";
import { decoderArchitecture, isOfKind, visionArchitecture } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { languageModelOf } from "../graphs/decoder-stack.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { type SavingMasks, savingMasks } from "../graphs/saving-masks.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import { withoutLayer } from "../graphs/trainable.ts";
import type { TrainOptions } from "../options.ts";
import { picturesIn } from "./pictures.ts";
import { seenLanguageModelOf } from "./seen-stack.ts";
import { visionLanguageModelOf } from "./vision-stack.ts";

/** True for models trained on images; a model whose decoder also loads without its image part is trained on texts. */
export const seesImages = (checkpoint: Checkpoint): boolean =>
  isOfKind("vision–language model", checkpoint) && !isOfKind("decoder", checkpoint);

/** True if the image encoder is trained with its decoder. A frozen encoder reads the images before the first step. */
type Sight = "trained" | "frozen";

/** The way a run's model reads images; undefined if it reads none. @throws UserError if the model cannot be trained */
export async function sightOf(
  { lora, data = [] }: Partial<Pick<TrainOptions, "lora" | "data">>,
  checkpoint: Checkpoint,
): Promise<Sight | undefined> {
  if (!isOfKind("vision–language model", checkpoint)) return undefined;
  if (!seesImages(checkpoint)) return picturesIn(data).length > 0 ? "frozen" : undefined;
  if (lora) return "frozen";
  if ((await visionOf(checkpoint)).pictures === "one") return "trained";
  if (checkpoint.tensors.size > 0) return "frozen";
  throw new UserError(
    `${checkpoint.path}: a new ${checkpoint.architecture} cannot be trained; expected a llava, or an existing model`,
    2,
  );
}

/** The image part, with its sizes. */
export const visionOf = async (checkpoint: Checkpoint): Promise<Vision> =>
  (await visionArchitecture(checkpoint)).vision(new TracedWeights(checkpoint.config, () => false));

/**
 * Opens a decoder as a language model, with its image part, if any; `has` returns true for optional tensors that exist.
 * @throws UserError
 */
export async function modelOf(
  checkpoint: Checkpoint,
  has: (name: string) => boolean,
  options: Partial<Pick<TrainOptions, "save" | "lora" | "data">> = {},
): Promise<Pick<Trainee, "stack" | "objective"> & { readonly weights: TracedWeights }> {
  const weights = new TracedWeights(checkpoint.config, has, inputName);
  const decoder = (await decoderArchitecture(checkpoint)).open(weights);
  const saving = savingMasks(options.save, decoder);
  const sight = await sightOf(options, checkpoint);
  if (sight === undefined) return { ...languageModelOf(decoder, saving), weights };
  return { ...(await seeingModelOf(checkpoint, decoder, sight, weights, saving)), weights };
}

async function seeingModelOf(
  checkpoint: Checkpoint,
  decoder: Decoder,
  sight: Sight,
  weights: TracedWeights,
  saving: SavingMasks | undefined,
): Promise<Pick<Trainee, "stack" | "objective">> {
  switch (sight) {
    case "trained": {
      const vision = (await visionArchitecture(checkpoint)).vision(weights);
      if (vision.pictures !== "one") throw new Error("only encoders that read one picture at a time can be trained");
      return visionLanguageModelOf(decoder, vision, saving);
    }
    case "frozen":
      return seenLanguageModelOf(decoder, await addingOf(checkpoint), saving);
  }
}

/** The number of the decoder's first layers that an added image term follows. */
export const addingOf = async (checkpoint: Checkpoint): Promise<number> =>
  (await visionOf(checkpoint)).config.adding ?? 0;

/** Returns which optional tensors a new model's image part has. */
export async function newVisionTensors(checkpoint: Checkpoint): Promise<(name: string) => boolean> {
  if (!seesImages(checkpoint)) return () => false;
  const { hasNewTensor } = await visionArchitecture(checkpoint);
  return (name) => hasNewTensor(checkpoint.config, name);
}

/** Keeps layer numbers in the image encoder's input names, because a single graph contains all of its layers. */
const inputName = (name: string): string => (name.startsWith("v.") ? name : withoutLayer(name));
