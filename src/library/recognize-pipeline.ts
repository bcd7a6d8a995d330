import type { Recognized } from "../pipelines/recognize/recognize.ts";
import { regionPipeline } from "../pipelines/registry.ts";
import { checkArgument, loadOptions, modelName, type RecognizeCall, text } from "./arguments.ts";
import { imageTextOf } from "./kinds/index.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { LoadOptions } from "./options.ts";

export interface RecognizerOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** A folder of `modicum train regions`; by default the one shipped for the model. */
  regions?: string | undefined;
}

const recognizerOptions = loadOptions
  .omit({ save: true, adapter: true, adapters: true })
  .extend({ regions: text.optional() });

/**
 * Opens an image–text model with its localiser and bridge, to name regions of pictures.
 * @throws UserError if the model lacks either
 */
export async function openRecognizer(name = "clip-tiny", options: RecognizerOptions = {}): Promise<RecognizePipeline> {
  const { regions, quant, ...rest } = checkArgument("openRecognizer's options", recognizerOptions, options);
  const model = await load(checkArgument("openRecognizer's name", modelName, name), {
    ...rest,
    ...(quant && { quant }),
  });
  try {
    await regionPipeline.attach(imageTextOf(model.loaded), model, regions);
    return new RecognizePipeline(model);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** A loaded model that names regions of pictures. Dispose of it to free its memory. */
export class RecognizePipeline implements Disposable {
  readonly kind = "recognize";

  constructor(readonly model: Model) {}

  /** @throws UserError for an unreadable picture, an invalid box, or equal labels */
  recognize(request: RecognizeCall): Promise<Recognized> {
    return this.model.recognize(request);
  }

  dispose(): void {
    this.model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
