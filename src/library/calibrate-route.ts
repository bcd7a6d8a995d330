import { z } from "zod";
import { generateOptions } from "../engine/decode/answer/generate.ts";
import { type Sample, type Target, target } from "../pipelines/route/calibrate.ts";
import { parsePair, type RouteOptions } from "../pipelines/route/name.ts";
import {
  type Calibration,
  calibrationOf,
  calibrationPath,
  keepCalibration,
  type PairIdentity,
  thresholdOf,
} from "../pipelines/route/record.ts";
import { scoringOf } from "../pipelines/route/rule.ts";
import { aggregate, aggregated, type ScoreOptions, scoreKinds, scoresOf } from "../pipelines/scores.ts";
import { UserError } from "../util/errors.ts";
import { sha256Of } from "../util/hash.ts";
import { checkArgument, modelName } from "./arguments.ts";
import { formIn, identityNamed } from "./identity.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { LoadOptions } from "./options.ts";

const row = z.object({
  prompt: z.string("expected a text").min(1, "expected a non-empty text"),
  answer: z
    .union(
      [z.string(), z.number(), z.array(z.union([z.string(), z.number()])).min(1)],
      "expected a text or a list of texts",
    )
    .transform((answer) => [answer].flat().map(String))
    .optional(),
});
/** A prompt and its correct answers, if known. */
export const calibrationRow = row;
export type CalibrationRow = z.input<typeof row>;

/** Options of a calibration, which the command line also takes. */
export const calibrateOptions = target.extend({
  score: z
    .array(z.enum(scoreKinds))
    .min(1)
    .default(["energy"])
    .describe(`ways to score: ${scoreKinds.join(", ")}`),
  aggregate: z
    .array(aggregate)
    .min(1)
    .default(["first"])
    .describe("how token scores combine: first, mean, min or a quantile such as q0.25"),
  temperature: z.number().positive().default(1).describe("divides the logits"),
  labels: z.array(z.string().min(1)).optional().describe("a label of one token; only the labels' logits are scored"),
  raw: z.boolean().default(false).describe("send prompts without the models' chat templates"),
  maxTokens: generateOptions.shape.maxTokens
    .unwrap()
    .default(64)
    .describe("maximum tokens of an answer, if answers are judged or whole drafts scored"),
});
type Choices = z.output<typeof calibrateOptions>;

export interface CalibrateOptions
  extends z.input<typeof calibrateOptions>,
    Pick<LoadOptions, "quant" | "offline" | "signal" | "onProgress" | "onNotice"> {
  /** Scores an answer against the correct ones, from 0 to 1; needed if rows have answers. */
  judge?: ((text: string, answers: readonly string[]) => number) | undefined;
  /** The rows' name in the record. */
  data?: string | undefined;
  /** The file to write; the default is in MODICUM_HOME, where the pair's routes look for it. */
  out?: string | undefined;
  /** Called with the number of finished rows. */
  onRow?: ((done: number, of: number) => void) | undefined;
}

/** The calibration of one scoring method. */
export interface Calibrated {
  readonly record: Calibration;
  readonly threshold: number;
  /** The samples, in the order of the rows. */
  readonly samples: readonly Sample[];
}

/**
 * Finds a pair's thresholds on representative prompts, and stores them, bound to both models' hashes. The first model
 * answers every prompt; the second does so only if thresholds are chosen by accuracy.
 * @throws UserError
 */
export async function calibrateRoute(
  name: string,
  rows: readonly CalibrationRow[],
  options: CalibrateOptions = {},
): Promise<{ file: string; calibrated: Calibrated[] }> {
  const { judge, data = "rows", out, onRow, quant, offline, signal, onProgress, onNotice, ...rest } = options;
  const chosen = checkArgument("calibrateRoute's options", z.strictObject(calibrateOptions.shape), rest);
  const all = checkArgument("calibrateRoute's rows", z.array(row), rows);
  const pair = parsePair(checkArgument("calibrateRoute's name", modelName, name));
  if (!pair) throw new UserError(`"${name}" is not a pair of models; expected SWIFT>SUPER`, 2);
  const resolving = { offline, signal, onProgress, onNotice };
  const opening = { ...resolving, ...(quant && { quant }) } as LoadOptions;
  const judged = all.length > 0 && all.every(({ answer }) => answer !== undefined);
  if (judged && !judge) throw new UserError("calibrateRoute: the rows have answers, so a judge is needed", 2);
  const settings = { ...chosen, rows: all, judge: judged ? judge : undefined, signal };
  const [swift, strong] = [
    await identityNamed(pair.swift, quant, resolving),
    await identityNamed(pair.super, quant, resolving),
  ];
  const { scored, qualities, form } = await withModel(pair.swift, opening, (model) =>
    answersOf(model, settings, onRow),
  );
  const bySuper =
    chosen.by === "accuracy" && judged
      ? await withModel(pair.super, opening, (model) => qualitiesOf(model, settings))
      : undefined;
  // Without Super's answers, nothing in the file depends on the form of Super's weights.
  const identities: PairIdentity = { swift: { ...swift, ...form }, super: { ...strong, ...bySuper?.form } };
  const file = out ?? calibrationPath(identities);
  const calibrated: Calibrated[] = [];
  for (const { scoring, scores } of scored) {
    const samples = scores.map((score, i) => ({
      ...{ score, swift: qualities?.[i], super: bySuper?.found[i] },
    }));
    const record = calibrationOf(samples, scoring, targetOf(chosen), dataOf(data, all, chosen, settings));
    await keepCalibration(file, identities, record);
    calibrated.push({ record, threshold: thresholdOf(record), samples });
  }
  return { file, calibrated };
}

interface Settings extends Choices {
  readonly rows: readonly z.output<typeof row>[];
  readonly judge: CalibrateOptions["judge"];
  readonly signal: AbortSignal | undefined;
}

const targetOf = ({ by, value }: Choices): Target => ({ by, ...(value !== undefined && { value }) });

const dataOf = (name: string, rows: Settings["rows"], { raw }: Choices, settings: Settings): Calibration["data"] => ({
  name,
  sha256: sha256Of(JSON.stringify(rows)),
  prompts: raw ? "raw" : "chat",
  maxTokens: mostTokens(settings),
});

/** Only the first token runs if nothing else is scored. */
const mostTokens = ({ judge, aggregate, maxTokens }: Settings): number =>
  judge || aggregate.some((how) => how !== "first") ? maxTokens : 1;

async function withModel<T>(name: string, options: LoadOptions, use: (model: Model) => Promise<T>): Promise<T> {
  using model = await load(name, options);
  return await use(model);
}

async function answersOf(
  model: Model,
  settings: Settings,
  onRow: CalibrateOptions["onRow"],
): Promise<{
  scored: { scoring: ScoreOptions; scores: number[] }[];
  qualities: number[] | undefined;
  form: ReturnType<typeof formIn>;
}> {
  const { rows, judge, raw, signal } = settings;
  const scored = scoringsOf(settings, model).map((scoring) => ({ scoring, scores: [] as number[] }));
  const kinds = scored.map(({ scoring }) => scoring).filter(({ aggregate }) => aggregate === settings.aggregate[0]);
  const qualities: number[] = [];
  for (const [i, { prompt, answer }] of rows.entries()) {
    // Each kind of score is computed once per token, for all aggregates.
    const tokens = new Map<string, number[]>(settings.score.map((kind) => [kind, []]));
    const observe = (logits: Float32Array) => {
      const scores = scoresOf(logits, kinds);
      for (const [k, { score }] of kinds.entries()) tokens.get(score)!.push(scores[k]!);
    };
    const options = {
      raw,
      maxTokens: mostTokens(settings),
      repetitionDetection: false,
      observe,
      ...(signal && { signal }),
    };
    const { text } = await model.complete(prompt, options);
    for (const { scoring, scores } of scored) scores.push(aggregated(tokens.get(scoring.score)!, scoring.aggregate));
    if (judge) qualities.push(judge(text, answer!));
    onRow?.(i + 1, rows.length);
  }
  return { scored, qualities: judge && qualities, form: formIn(model) };
}

/** Every kind of score with every aggregate. */
const scoringsOf = ({ score, aggregate, temperature, labels }: Choices, model: Model): ScoreOptions[] =>
  score.flatMap((kind) =>
    aggregate.map((how) => {
      const options = { score: kind, aggregate: how, temperature, seed: 0, labels } as RouteOptions;
      return scoringOf(options, model.language);
    }),
  );

async function qualitiesOf(
  model: Model,
  { rows, judge, raw, maxTokens, signal }: Settings,
): Promise<{ found: number[]; form: ReturnType<typeof formIn> }> {
  const qualities: number[] = [];
  for (const { prompt, answer } of rows) {
    const { text } = await model.complete(prompt, {
      raw,
      maxTokens,
      repetitionDetection: false,
      ...(signal && { signal }),
    });
    qualities.push(judge!(text, answer!));
  }
  return { found: qualities, form: formIn(model) };
}
