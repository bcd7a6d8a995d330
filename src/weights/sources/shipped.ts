import { UserError } from "../../util/errors.ts";
import { MODELS_PACKAGE, modelFolder } from "../../util/model-folders.ts";

/** A small model that this project trained. */
export interface ShippedModel {
  /** One line for `modicum list --all`. */
  readonly summary: string;
  readonly licence: string;
}

/** Small models by name, from this package or `modicum-models`; each has a card with its training. */
export const shipped: Readonly<Record<string, ShippedModel>> = {
  "clip-tiny": {
    summary:
      "CLIP of 0.6 million parameters, trained on drawings and digits; with a localiser and a bridge for recognize",
    licence: "Apache-2.0",
  },
  "code-tiny": {
    summary: "GPT-2 of 2.7 million parameters, trained on Python, one character per token; with exits for sec",
    licence: "Apache-2.0",
  },
  "digits-tiny": {
    summary: "U-Net of 0.1 million parameters that draws handwritten digits, for imagine",
    licence: "Apache-2.0",
  },
  "executor-tiny": {
    summary:
      "Llama of 0.7 million parameters, trained on star graphs, half of them with plans, to answer from planner-tiny's plans",
    licence: "Apache-2.0",
  },
  "jetmoe-tiny": {
    summary:
      "JetMoE of 2.2 million parameters, 0.6 of them active, trained on tiny Shakespeare, one character per token",
    licence: "Apache-2.0",
  },
  "mamba-tiny": {
    summary: "Mamba-2 of 1 million parameters, trained on tiny Shakespeare, one character per token",
    licence: "Apache-2.0",
  },
  "planner-tiny": {
    summary: "LLaDA of 0.7 million parameters, a diffusion language model that plans paths in star graphs",
    licence: "Apache-2.0",
  },
  "planner-words": {
    summary:
      "LLaDA of 0.7 million parameters that plans paths in small graphs for smollm2, in the pair planner-words+smollm2",
    licence: "Apache-2.0",
  },
  "think-tiny": {
    summary: "Llama of 0.5 million parameters that computes step by step between <think> and </think>, then answers",
    licence: "Apache-2.0",
  },
  "vlm-tiny": {
    summary:
      "LLaVA of 1.8 million parameters, trained on questions about drawings and digits, with clip-tiny's image encoder",
    licence: "Apache-2.0",
  },
};

/** The folder of a model or pair. @throws UserError if its package is not installed */
export function shippedFolder(name: string): string {
  const folder = modelFolder(name);
  if (folder !== undefined) return folder;
  throw new UserError(
    `${name} is in the package ${MODELS_PACKAGE}, which is missing: install ${MODELS_PACKAGE}-*.tgz, which \`npm pack --workspace ${MODELS_PACKAGE}\` makes in a clone`,
  );
}
