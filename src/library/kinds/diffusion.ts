import type { DiffusionModel } from "../../engine/diffusion/diffusion-model.ts";
import type { Face } from "./face.ts";
import { labelsFor, oneTextEach } from "./inputs.ts";

/** Fills in masked tokens, and scores labels by their estimated likelihood. */
export const diffusionFace = (generative: DiffusionModel): Face => {
  const { name } = generative.source;
  return {
    generative,
    answer: (job) => generative.generate(job.prompt, job.options, job),
    classify: (inputs, labels, terms) => generative.classify(oneTextEach(name, inputs), labelsFor(name, labels), terms),
  };
};
