import { thresholdForShare } from "../../../pipelines/route/calibrate.ts";
import {
  type PairName,
  parseRouteOptions,
  parseRouteText,
  ROUTE,
  type RouteOptions,
} from "../../../pipelines/route/name.ts";
import { UserError } from "../../../util/errors.ts";
import type { Candidate } from "../problem.ts";

/** Shares of the search items to send to Super, from mild to bold. */
const SHARES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0];
/** The default scores: one answer determines them all. */
const USUAL = [
  { score: "energy", aggregate: "first" },
  { score: "energy", aggregate: "mean" },
  { score: "margin", aggregate: "min" },
] as const satisfies readonly Partial<Way>[];

/** A score of how easy an item is for Swift. */
export type Way = Pick<RouteOptions, "score" | "temperature" | "aggregate" | "labels" | "seed">;

/** A pair's name in two forms: without its options, and with the options as written. */
export type TunedName = Omit<PairName, "options">;

/** The scores that a pair's name gives, or the usual scores. @throws UserError if the name already has a threshold */
export function waysOf({ name, optionText }: TunedName): Way[] {
  const { share, t, timeout, auto, ...way } = parseRouteOptions(optionText);
  const set = Object.entries({ share, t, timeout, auto }).find(([, value]) => value !== undefined);
  if (set)
    throw new UserError(`--model: ${name} is tuned over all shares for Super; expected no ${set[0]} after its @`, 2);
  return optionText === "" ? USUAL.map((usual) => ({ ...way, ...usual })) : [way];
}

/** One candidate per score and share; each score is a family. */
export const routeCandidates = (ways: readonly Way[]): Candidate[] =>
  ways.flatMap((way) =>
    SHARES.map((share, boldness) => ({ recipe: shareText(way, share), family: wayText(way), boldness })),
  );

/** A score with all options spelled out, in the form of a pair's name. */
export function wayText({ score, temperature, aggregate, labels, seed }: Way): string {
  const common = `score=${score},temperature=${temperature},aggregate=${aggregate}`;
  const [of, drawn] = [labels && `labels=${labels.join("|")}`, score === "random" && `seed=${seed}`];
  return [common, of, drawn].filter(Boolean).join(",");
}

/** A candidate: the threshold that sends this share of the search items to Super. */
const shareText = (way: Way, share: number): string => `${ROUTE}share=${share},${wayText(way)}`;

/** A candidate's score. */
export const wayIn = (recipe: string): string => wayText(parseRouteText(recipe));

/** The threshold that sends a candidate's share of these scores to Super. */
export const thresholdIn = (recipe: string, scores: readonly number[]): number =>
  thresholdForShare(scores, parseRouteText(recipe).share!);

/** A candidate with a threshold instead of its share. */
export function thresholdText(recipe: string, threshold: number): string {
  const t = Number.isFinite(threshold) ? threshold : threshold > 0 ? "inf" : "-inf";
  return `${ROUTE}t=${t},${wayIn(recipe)}`;
}
