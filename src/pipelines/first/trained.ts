import { join } from "node:path";
import { z } from "zod";
import { bundledFolders } from "../../util/model-folders.ts";
import { readJson } from "../../weights/json-file.ts";
import { checkFirstOptions, type FirstName, type FirstOptions } from "./options.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");

/** A bundled adapter's model, windows and data: `first.json` beside its weights. */
export const trainedFile = z.strictObject({
  model: z.strictObject({ name: z.string().min(1), sha256 }),
  /** The window options used in the adapter's training, which become defaults. */
  options: z.strictObject({
    windowSize: z.int().min(2),
    stride: z.int().min(1),
    maxPassageWords: z.int().min(1),
  }),
  data: z.strictObject({ name: z.string(), sha256, lists: z.int().min(1) }),
  /** A notice shown to users of the adapter. */
  notice: z.string().min(1).optional(),
});
type TrainedFile = z.output<typeof trainedFile>;

/** A bundled adapter. */
export interface TrainedRanker extends TrainedFile {
  readonly folder: string;
}

/** The adapters that the package ships. @throws UserError if a file is damaged */
export const trainedRerankers = (roots?: readonly string[]): TrainedRanker[] =>
  bundledFolders("first", FILE, roots).map((folder) => ({
    folder,
    ...readJson(join(folder, FILE), trainedFile, "a trained reranker"),
  }));

const FILE = "first.json";

/** The adapter for the model with this hash, unless the options exclude adapters. */
export const trainedFor = (
  hash: string | undefined,
  { adapter }: FirstOptions,
  all = trainedRerankers(),
): TrainedRanker | undefined => (adapter === "none" ? undefined : all.find(({ model }) => model.sha256 === hash));

/**
 * A reranker's options: the user's, then the adapter's, then the usual ones. If the user sets any window option, all of
 * the adapter's window options are ignored.
 * @throws UserError that names the option
 */
export function optionsWith(
  { values, options }: Pick<FirstName, "values" | "options">,
  trained: TrainedRanker | undefined,
): FirstOptions {
  if (!trained) return options;
  const { windowSize, stride, ...rest } = trained.options;
  const ownWindow = "windowSize" in values || "stride" in values;
  return checkFirstOptions({ ...rest, ...(!ownWindow && { windowSize, stride }), ...values });
}
