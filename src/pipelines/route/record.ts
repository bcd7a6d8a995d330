import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { bundledJson, jsonFiles } from "../../util/model-folders.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import { home } from "../../weights/sources/home.ts";
import { type ModelIdentity, modelIdentity, runAlike } from "../model.ts";
import { type ScoreOptions, scoreOptions } from "../scores.ts";
import { type Sample, type Target, target, thresholdFrom } from "./calibrate.ts";

const quality = z.number().min(0).max(1);

/** Scores of one kind for one prompt file, ascending; any threshold can be computed from them. */
const calibration = scoreOptions.extend({
  /** The prompt file: its name, hash and prompt format. */
  data: z.strictObject({
    name: z.string(),
    sha256: z.string(),
    prompts: z.enum(["chat", "raw"]),
    maxTokens: z.int().min(1),
  }),
  target,
  scores: z.array(z.number()).describe("ascending"),
  /** Quality of Swift's and of Super's answers to the same rows. */
  swift: z.array(quality).optional(),
  super: z.array(quality).optional(),
  /** The number of rows without a score, which always go to Super and come last in `swift` and `super`. */
  unscored: z.int().min(0).default(0),
});
export type Calibration = z.output<typeof calibration>;

/** Calibrations of one pair of models, one per score. */
const calibrationFile = z.strictObject({
  swift: modelIdentity,
  super: modelIdentity,
  calibrations: z.array(calibration).min(1),
});
export type CalibrationFile = z.output<typeof calibrationFile>;
export type PairIdentity = Pick<CalibrationFile, "swift" | "super">;

/** Rounds a score to ten digits; between processors, energy-of-probs differs from the sixth digit on. */
const rounded = (score: number): number => Number(score.toPrecision(10));

/** Records samples in the order of their scores. @throws UserError if the samples give no threshold */
export function calibrationOf(
  samples: readonly Sample[],
  scoring: ScoreOptions,
  target: Target,
  data: Calibration["data"],
): Calibration {
  thresholdFrom(samples, target);
  const scored = samples.filter(({ score }) => !Number.isNaN(score)).sort((a, b) => a.score - b.score);
  const all = [...scored, ...samples.filter(({ score }) => Number.isNaN(score))];
  const known = (of: "swift" | "super") => {
    const values = all.flatMap((sample) => sample[of] ?? []);
    return values.length === all.length ? { [of]: values } : {};
  };
  return {
    ...scoring,
    ...{ data, target, scores: scored.map(({ score }) => rounded(score)) },
    ...{ unscored: all.length - scored.length, ...known("swift"), ...known("super") },
  };
}

/** A record's threshold, for its own or another target. @throws UserError if no threshold can be found */
export const thresholdOf = (record: Calibration, target: Target = record.target): number =>
  thresholdFrom(samplesOf(record), target);

const samplesOf = ({ scores, unscored, swift, super: strong }: Calibration): Sample[] =>
  [...scores, ...Array.from({ length: unscored }, () => Number.NaN)].map((score, i) => ({
    ...{ score, swift: swift?.[i], super: strong?.[i] },
  }));

/** Calibration files: the user's own, then the shipped ones. */
export const calibrationFiles = (own = home(), roots?: readonly string[]): string[] => [
  ...jsonFiles(join(own, "routes")),
  ...bundledJson("route", roots),
];

/** The file for the user's own calibration of a pair. */
export function calibrationPath(pair: PairIdentity, own = home()): string {
  const id = sha256Of(JSON.stringify([identityKey(pair.swift), identityKey(pair.super)]));
  return join(own, "routes", `${id.slice(0, 16)}.json`);
}

const identityKey = ({ name, sha256, recipe, quant }: ModelIdentity) => [sha256 ?? name, recipe, quant];

/** @throws UserError if the file is missing or damaged */
export const readCalibrations = (file: string): CalibrationFile =>
  readJson(file, calibrationFile, "a route's calibration");

/** Adds a calibration to the pair's file; calibrations for other scores remain. */
export async function keepCalibration(file: string, pair: PairIdentity, calibration: Calibration): Promise<void> {
  const others = existing(file, pair).filter((other) => !sameScoring(other, calibration));
  await keepJson(file, calibrationFile.parse({ ...pair, calibrations: [...others, calibration] }));
}

function existing(file: string, pair: PairIdentity): readonly Calibration[] {
  try {
    const held = readCalibrations(file);
    // Calibrations made with other forms of the weights are not reused, since their scores differ.
    const same = runAlike(held.swift, pair.swift) && runAlike(held.super, pair.super);
    return same && mismatch(held, pair) === undefined ? held.calibrations : [];
  } catch {
    return [];
  }
}

const scoringKey = ({ score, temperature, aggregate, labelTokens, seed }: ScoreOptions): string =>
  JSON.stringify([score, temperature, aggregate, labelTokens ?? null, score === "random" ? seed : 0]);

const sameScoring = (a: ScoreOptions, b: ScoreOptions): boolean => scoringKey(a) === scoringKey(b);

/** The difference between a pair and a file's pair; undefined if they are equal. */
function mismatch(file: PairIdentity, pair: PairIdentity): string | undefined {
  for (const role of ["swift", "super"] as const) {
    const [recorded, has] = [file[role], pair[role]];
    const named = role === "swift" ? "Swift" : "Super";
    if (!isSame(recorded, has))
      return `was made for ${described(recorded)} as ${named}, but ${named} is ${described(has)}`;
  }
  return undefined;
}

/** A model on another server has no hash here: only its name is known. */
function isSame(a: ModelIdentity, b: ModelIdentity): boolean {
  const weights = a.sha256 !== undefined && b.sha256 !== undefined ? a.sha256 === b.sha256 : a.name === b.name;
  return weights && a.quant === b.quant && JSON.stringify(a.recipe) === JSON.stringify(b.recipe);
}

const described = ({ name, sha256, recipe, quant }: ModelIdentity): string => {
  const more = [sha256?.slice(0, 12), ...recipe, quant === "auto" ? undefined : `quant ${quant}`].filter(Boolean);
  return more.length > 0 ? `${name} (${more.join(", ")})` : name;
};

/** A calibration, its file, and Swift as recorded there. */
export interface FoundCalibration {
  readonly path: string;
  readonly swift: ModelIdentity;
  readonly calibration: Calibration;
}

/**
 * The calibration of a pair for a score: from `file` if set, else the user's own, else a shipped one.
 * @throws UserError if it is missing, or for other models
 */
export function findCalibration(
  pair: PairIdentity,
  scoring: ScoreOptions,
  file?: string,
  files: readonly string[] = file === undefined ? calibrationFiles() : [file],
): FoundCalibration {
  const held = files.map((path) => ({ path, ...readCalibrations(path) }));
  const right = held.filter((one) => mismatch(one, pair) === undefined);
  const all = right.flatMap(({ path, swift, calibrations }) =>
    calibrations.map((calibration) => ({ path, swift, calibration })),
  );
  const found = all.find(({ calibration }) => sameScoring(calibration, scoring));
  if (found) return found;
  const other = held.find((one) => one.swift.name === pair.swift.name && one.super.name === pair.super.name) ?? held[0];
  if (right.length === 0 && other && (file !== undefined || namesMatch(other, pair)))
    throw new UserError(`${other.path} ${mismatch(other, pair)}; ${again(pair)}`);
  const { score, aggregate, temperature } = scoring;
  const way = `score=${score},aggregate=${aggregate}${temperature === 1 ? "" : `,temperature=${temperature}`}`;
  throw new UserError(`${pair.swift.name}>${pair.super.name} is not calibrated for ${way}; ${again(pair)}`);
}

const namesMatch = (a: PairIdentity, b: PairIdentity): boolean =>
  a.swift.name === b.swift.name && a.super.name === b.super.name;

const again = ({ swift, super: strong }: PairIdentity): string =>
  `\`modicum route calibrate "${swift.name}>${strong.name}" FILE.jsonl\` calibrates it; @t=… sets a threshold by hand`;
