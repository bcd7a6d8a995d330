import { type ProfileOptions, profileThresholds as profileLanguageModel } from "../engine/profile.ts";
import {
  type ThresholdProfile,
  thresholdProfile,
  saveProfile as writeProfile,
} from "../savings/attention/xattention/thresholds.ts";
import * as args from "./arguments.ts";
import { given } from "./arguments.ts";
import type { Model } from "./model.ts";

/**
 * XAttention's thresholds for each layer and head of a model, from texts like those to come (at most a few thousand tokens each: time and
 * memory grow with their square). Keep them with `saveProfile(path, profile)`, use them with `xattention:thresholds=path`.
 * @throws UserError when the model has no hash on record, or a text is empty or longer than the context.
 */
export async function profileThresholds(
  model: Model,
  texts: readonly string[],
  options: ProfileOptions,
): Promise<ThresholdProfile> {
  const { language } = given("profileThresholds' model", args.model, model);
  const all = given("profileThresholds' texts", args.texts, texts);
  return profileLanguageModel(language, all, given("profileThresholds' options", args.profileOptions, options));
}

/** Writes a profile of thresholds as JSON, aside and then renamed. @throws UserError where it cannot be written */
export async function saveProfile(path: string, profile: ThresholdProfile): Promise<void> {
  const file = given("saveProfile's path", args.text, path);
  await writeProfile(file, given("saveProfile's profile", thresholdProfile, profile));
}
