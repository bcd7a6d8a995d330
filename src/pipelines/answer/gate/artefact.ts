import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { bundledJson, jsonFiles } from "../../../util/model-folders.ts";
import { keepJson } from "../../../util/write-whole.ts";
import { readJson } from "../../../weights/json-file.ts";
import { home } from "../../../weights/sources/home.ts";
import { modelIdentity, runAlike } from "../../model.ts";
import { gateTarget } from "./calibrate.ts";
import { classifierSchema } from "./classifier.ts";
import { type Gate, type GateMethod, gateMethods } from "./gate.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const share = z.number().min(0).max(1);

/** A gate with its threshold and its calibration data. */
const calibratedGate = z
  .strictObject({
    method: z.enum(gateMethods),
    threshold: z.number(),
    classifier: classifierSchema.optional(),
    target: gateTarget,
    /** The calibration questions. */
    data: z.strictObject({ name: z.string(), sha256, questions: z.int().min(1) }),
    /** The retrieval rate and the accuracy on the calibration questions. */
    measured: z.strictObject({ rate: share, accuracy: share, always: share, never: share }),
    /** The questions' scores, ascending, from which the threshold for any rate is computed. */
    scores: z.array(z.number()).optional(),
  })
  .refine(({ method, classifier }) => method !== "classifier" || classifier, {
    path: ["classifier"],
    error: "expected weights",
  });
export type CalibratedGate = z.output<typeof calibratedGate>;

/** A model's gates under one prompt template, one for each method. */
const gateFile = z.strictObject({
  model: modelIdentity,
  /** SHA-256 of the prompt template's texts. */
  template: sha256,
  gates: z.array(calibratedGate).min(1),
});
export type GateFile = z.output<typeof gateFile>;
/** The model and template that a gate was calibrated with. */
export type GateBinding = Pick<GateFile, "model" | "template">;

const key = ({ model: { sha256, name, recipe, quant }, template }: GateBinding): string =>
  JSON.stringify([sha256 ?? name, recipe, quant, template]);

/** Gate files: the user's own, then the shipped ones. */
export const gateFiles = (own = home(), roots?: readonly string[]): string[] => [
  ...jsonFiles(join(own, "gates")),
  ...bundledJson("expertrag", roots),
];

/** The file that holds the user's own gates for a model. */
export const gatePath = ({ model, template }: GateBinding, own = home()): string =>
  join(own, "gates", `${(model.sha256 ?? model.name).replace(/\W/g, "-").slice(0, 16)}-${template.slice(0, 8)}.json`);

/** @throws UserError if the file is missing or damaged */
export const readGates = (file: string): GateFile => readJson(file, gateFile, "gates of a model");

/** Adds a gate to the file; gates with other methods for the same model and template remain. */
export async function keepGate(file: string, binding: GateBinding, gate: CalibratedGate): Promise<void> {
  const others = existing(file, binding).filter(({ method }) => method !== gate.method);
  await keepJson(file, gateFile.parse({ ...binding, gates: [...others, gate] }));
}

function existing(file: string, binding: GateBinding): readonly CalibratedGate[] {
  try {
    const held = readGates(file);
    // Gates calibrated with a different form of the weights are not reused, since their scores differ.
    return key(held) === key(binding) && runAlike(held.model, binding.model) ? held.gates : [];
  } catch {
    return [];
  }
}

/** A gate, its file, and the model as recorded there. */
export interface FoundGate {
  readonly path: string;
  readonly model: GateFile["model"];
  readonly gate: CalibratedGate;
}

/**
 * A model's gate, for `method` or else the first: from `file` if set, else the user's own, else a shipped one.
 * Undefined if no file matches this model.
 * @throws UserError if `file` is for another model or template, or lacks the method
 */
export function findGate(
  binding: GateBinding,
  method?: GateMethod,
  file?: string,
  files: readonly string[] = file === undefined ? gateFiles() : [file],
): FoundGate | undefined {
  const held = files.map((path) => ({ path, ...readGates(path) }));
  const right = held.filter((one) => key(one) === key(binding));
  const all = right.flatMap(({ path, model, gates }) => gates.map((gate) => ({ path, model, gate })));
  const found = all.find(({ gate }) => method === undefined || gate.method === method);
  if (found || file === undefined) return found;
  throw new UserError(right.length > 0 ? `${file} has no gate ${method}` : mismatch(held[0]!, binding));
}

function mismatch({ path, model }: GateFile & { readonly path: string }, binding: GateBinding): string {
  const again = "`modicum answer calibrate` makes a matching one";
  if (key({ model, template: binding.template }) === key(binding))
    return `${path} was made for a different prompt template; ${again}`;
  return `${path} was made for ${named(model)}, but the model is ${named(binding.model)}; ${again}`;
}

const named = ({ name, sha256, recipe, quant }: GateFile["model"]): string => {
  const more = [sha256?.slice(0, 12), ...recipe, quant === "auto" ? undefined : `quant ${quant}`].filter(Boolean);
  return more.length > 0 ? `${name} (${more.join(", ")})` : name;
};

/** The gate without its calibration. */
export const gateOf = ({ method, threshold, classifier }: CalibratedGate): Gate => ({ method, threshold, classifier });
