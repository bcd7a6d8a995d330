import type { Denoising, ImageGenerator } from "../../../models/image-generator/image-generator.ts";
import { suggest, UserError } from "../../../util/errors.ts";
import type { ImagineOptions, SamplerName } from "./options.ts";

const USUAL_STEPS = 50;
/** The default guidance of diffusers for Stable Diffusion. */
const USUAL_GUIDANCE = 7.5;
const USUAL_STRENGTH = 0.8;

/** A call's condition: a text to draw, or the indices of the wanted and the unwanted class vector, if any. */
type DrawingCondition =
  | { readonly kind: "text"; readonly prompt: string }
  | { readonly kind: "class"; readonly row: number | undefined; readonly none: number | undefined };

/** The terms of a call that depend on the model. */
export interface DrawingTerms {
  readonly wanted: DrawingCondition;
  readonly steps: number;
  /** The number of final steps to run. */
  readonly runs: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
}

/** Checks a call against a model; `name` names the model in errors. @throws UserError */
export function drawingTermsOf(name: string, model: ImageGenerator, options: ImagineOptions): DrawingTerms {
  const steps = checkedSteps(name, model.denoising, options.steps);
  const sampler = checkedSampler(name, model.denoising, options.sampler);
  const way = { steps, runs: networkRuns(steps, options), sampler };
  if (model.prompts) return { wanted: promptOf(name, options), ...way, guidance: options.guidance ?? USUAL_GUIDANCE };
  if (options.prompt !== undefined)
    throw new UserError(`prompt: ${name} reads no texts; expected a class, or a model that reads texts`, 2);
  const { unconditional } = model;
  const row = rowOf(name, model, options.class);
  const guidance = options.guidance ?? 1;
  if (guidance !== 1 && (options.class === undefined || unconditional === undefined))
    throw new UserError("guidance other than 1 needs a class, and a model also trained without classes", 2);
  if (guidance !== 1 && model.denoising.kind === "consistency")
    throw new UserError(`guidance: ${name} is a consistency model, which does not support guidance; expected 1`, 2);
  return { wanted: { kind: "class", row, none: unconditional }, ...way, guidance };
}

/** Checks the number of steps: timesteps, including the offset, must not exceed the training timesteps. */
function checkedSteps(name: string, denoising: Denoising, steps: number | undefined): number {
  const offset = denoising.kind === "noise" ? denoising.sampling.offset : 0;
  const most = denoising.noise.steps - offset;
  if (steps === undefined) return denoising.kind === "noise" ? Math.min(USUAL_STEPS, most) : 1;
  if (steps <= most) return steps;
  throw new UserError(`steps: expected at most ${most}, as in the training of ${name}, got ${steps}`, 2);
}

/** The number of steps to run, at least 1; an initial image skips early steps (Meng et al. 2022, arXiv 2108.01073). */
function networkRuns(steps: number, { image, strength }: ImagineOptions): number {
  if (image !== undefined) return Math.max(1, Math.floor(steps * (strength ?? USUAL_STRENGTH)));
  if (strength === undefined) return steps;
  throw new UserError("strength needs an initial image; expected an image, or no strength", 2);
}

function checkedSampler(name: string, { kind }: Denoising, sampler: SamplerName | undefined): SamplerName {
  const consistent = kind === "consistency";
  if (sampler === undefined) return consistent ? "consistency" : "ddim";
  if ((sampler === "consistency") === consistent) return sampler;
  const expected = consistent
    ? "is a consistency model; expected the sampler consistency"
    : "predicts noise; expected the sampler ddim or ddpm";
  throw new UserError(`sampler: ${name} ${expected}, got ${sampler}`, 2);
}

function promptOf(name: string, { class: label, prompt }: ImagineOptions): DrawingCondition {
  if (label !== undefined) throw new UserError(`class: ${name} has no classes; expected a prompt`, 2);
  if (prompt === undefined) throw new UserError(`prompt: ${name} draws from a text; expected a prompt`, 2);
  return { kind: "text", prompt };
}

/** The index of a class's vector; undefined if the model has no classes. */
function rowOf(name: string, { labels, unconditional }: ImageGenerator, label: string | undefined): number | undefined {
  const row = label === undefined ? unconditional : labels.indexOf(label);
  if (row !== -1 && (row !== undefined || labels.length === 0)) return row;
  if (labels.length === 0) throw new UserError(`${name} has no classes; expected none, got "${label}"`, 2);
  const got = label === undefined ? "got none" : `got "${label}"${suggest(label, labels)}`;
  throw new UserError(`class: expected one of ${labels.join(", ")}, ${got}`, 2);
}
