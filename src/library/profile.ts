import { z } from "zod";
import {
  type CalibrateTerms,
  type CalibrationText,
  calibrate,
  type ProfileOptions,
  profileThresholds as profileLanguageModel,
} from "../engine/file/profile.ts";
import {
  type ThresholdProfile,
  thresholdProfile,
  saveProfile as writeProfile,
} from "../savings/attention/xattention/thresholds.ts";
import type { Calibration, Learnt } from "../savings/calibration.ts";
import { savingNamed, savings } from "../savings/registry.ts";
import { UserError } from "../util/errors.ts";
import { writeJson } from "../util/write-whole.ts";
import * as args from "./arguments.ts";
import { checkArgument } from "./arguments.ts";
import type { Model } from "./model.ts";

/** The savings that have a calibration. */
export const learners = savings.filter(({ calibration }) => calibration !== undefined);

/** @throws UserError if there is no such saving, or it needs no calibration */
export function calibrationOf(name: string): Calibration {
  const { calibration } = savingNamed(name);
  if (calibration) return calibration;
  const names = learners.map((saving) => saving.name).join(", ");
  throw new UserError(`${name} has no calibration (these have: ${names})`, 2);
}

const isImage = (it: unknown): boolean => typeof it === "string" || it instanceof Uint8Array;
const picture = z.strictObject({
  image: z.custom<string | Uint8Array>(isImage, "expected a path, or bytes"),
  prompt: args.text,
});
const calibrationTexts = z.array(
  z.union([args.text, picture], "expected a text, or { image, prompt }"),
  "expected a list of texts",
);

/**
 * Calibrates a saving for a model on representative texts, or, if the model reads images, on questions about pictures.
 * Store the result with `saveCalibration(file, learnt)`; `learnt.use(file)` is the saving that uses it.
 * @throws UserError if the saving needs no calibration, the model has no hash on record, or a text is empty or longer
 * than the context
 */
export async function calibrateSaving(
  model: Model,
  saving: string,
  texts: readonly CalibrationText[],
  terms: CalibrateTerms = {},
): Promise<Learnt> {
  const { language } = checkArgument("calibrateSaving's model", args.model, model);
  const calibration = calibrationOf(checkArgument("calibrateSaving's saving", args.text, saving));
  const all = checkArgument("calibrateSaving's texts", calibrationTexts, texts);
  const options = checkArgument("calibrateSaving's options", calibration.options, terms.options ?? {});
  return calibrate("calibrateSaving", language, calibration, all, { ...terms, options });
}

/** Writes a calibration as JSON, atomically. @throws UserError if it cannot be written */
export const saveCalibration = (file: string, { artefact }: Learnt): Promise<void> => writeJson(file, artefact);

/**
 * XAttention's thresholds for each layer and head of a model, from representative texts (at most a few thousand tokens
 * each: time and memory grow with their square). Store them with `saveProfile(path, profile)`, use them with
 * `xattention:thresholds=path`.
 * @throws UserError if the model has no hash on record, or a text is empty or longer than the context
 */
export async function profileThresholds(
  model: Model,
  texts: readonly string[],
  options: ProfileOptions,
): Promise<ThresholdProfile> {
  const { language } = checkArgument("profileThresholds' model", args.model, model);
  const all = checkArgument("profileThresholds' texts", args.texts, texts);
  return profileLanguageModel(language, all, checkArgument("profileThresholds' options", args.profileOptions, options));
}

/** Writes a profile of thresholds as JSON, atomically. @throws UserError if it cannot be written */
export async function saveProfile(path: string, profile: ThresholdProfile): Promise<void> {
  const file = checkArgument("saveProfile's path", args.text, path);
  await writeProfile(file, checkArgument("saveProfile's profile", thresholdProfile, profile));
}
