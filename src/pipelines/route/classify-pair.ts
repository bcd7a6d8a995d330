import { join } from "node:path";
import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { inFile, UserError } from "../../util/errors.ts";
import { readJson } from "../../weights/json-file.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";
import { openEmbedder } from "../classify/embedder.ts";
import { HeadModel, type LabelHead, readHead } from "../classify/head.ts";
import { type ScoreOptions, scoreKinds, scoreOptions } from "../scores.ts";
import { type Sample, target, thresholdFrom } from "./calibrate.ts";
import { ClassifyCascade } from "./classify.ts";

const share = z.number().min(0).max(1);

/** The ascending scores of rows held out from training, and the quality of both heads' answers to these rows. */
const pairCalibration = scoreOptions
  .extend({
    data: z.strictObject({ name: z.string(), rows: z.int().min(1) }),
    scores: z.array(z.number()),
    swift: z.array(share),
    super: z.array(share),
  })
  .refine((c) => c.scores.length === c.swift.length && c.scores.length === c.super.length, {
    path: ["swift"],
    error: "expected one answer per score",
  });
type PairCalibration = z.output<typeof pairCalibration>;

/** A calibration for each score; the first is the default. */
export const pairCalibrations = z.strictObject({ calibrations: z.array(pairCalibration).min(1) });

const score = z.enum(scoreKinds).optional();

/** An explicit threshold, which may be infinite. */
const ownThreshold = z.strictObject({
  score,
  threshold: z.custom<number>((n) => typeof n === "number" && !Number.isNaN(n), "expected a number"),
});
const calibrated = target.extend({ score });

/** The threshold and its score: explicit, or from a calibration. */
export type PairOptions = z.input<typeof ownThreshold> | z.input<typeof calibrated>;

/** Files in a trained pair's folder. */
export const pairFiles = (folder: string) => ({
  swift: join(folder, "swift.json"),
  super: join(folder, "super.json"),
  calibration: join(folder, "calibration.json"),
});

/** A cascade that owns its models. */
export type OpenedPair = ClassifyCascade & Disposable;

/**
 * Opens a pair of trained heads from its folder, such as `models/glove+minilm/classify-banking77`, with the models that
 * they were trained for, at a threshold from one of its calibrations.
 * @throws UserError if a file is missing or damaged, a head was trained for another model, or the score has no
 * calibration
 */
export async function openClassifyPair(
  folder: string,
  pairOptions: PairOptions,
  options: ResolveOptions = {},
): Promise<OpenedPair> {
  const files = pairFiles(folder);
  const heads = [readHead(files.swift), readHead(files.super)] as const;
  const { calibrations } = readJson(files.calibration, pairCalibrations, "a pair's calibrations");
  const calibration = inFile(files.calibration, () => chosen(calibrations, pairOptions.score));
  const threshold = inFile(files.calibration, () => thresholdOf(calibration, pairOptions));
  const opened: HeadModel[] = [];
  const dispose = () => {
    for (const model of opened.splice(0)) model[Symbol.dispose]();
  };
  try {
    for (const [i, head] of heads.entries()) opened.push(await openHead([files.swift, files.super][i]!, head, options));
    const [swift, strong] = opened as [HeadModel, HeadModel];
    const cascade = new ClassifyCascade({ swift, super: strong, threshold, scoring: scoringOf(calibration) });
    return Object.assign(cascade, { [Symbol.dispose]: dispose });
  } catch (error) {
    dispose();
    throw error;
  }
}

async function openHead(file: string, head: LabelHead, options: ResolveOptions): Promise<HeadModel> {
  const embedder = await openEmbedder(head.model.name, options);
  try {
    return inFile(file, () => new HeadModel(embedder, head));
  } catch (error) {
    embedder[Symbol.dispose]();
    throw error;
  }
}

const scoringOf = ({ data: _, scores: __, swift: ___, super: ____, ...scoring }: PairCalibration): ScoreOptions =>
  scoring;

function chosen(calibrations: readonly PairCalibration[], score: ScoreOptions["score"] | undefined): PairCalibration {
  const found = score === undefined ? calibrations[0] : calibrations.find((one) => one.score === score);
  if (found) return found;
  throw new UserError(`it has no score=${score}, expected ${calibrations.map((one) => one.score).join(" or ")}`, 2);
}

function thresholdOf({ scores, swift, super: strong }: PairCalibration, options: PairOptions): number {
  if ("threshold" in options) return checked(ownThreshold, options).threshold;
  const samples = scores.map((score, i): Sample => ({ score, swift: swift[i], super: strong[i] }));
  return thresholdFrom(samples, checked(calibrated, options));
}
