import { z } from "zod";
import type { Answer } from "./item.ts";

/** A number; values that JSON cannot express are written as strings, as in ProtoJSON. */
export const real = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"]).transform(Number)]);

/** JSON of a value with numbers that may be NaN or infinite. */
export const stringify = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v));

/** Restores the numbers of an answer parsed from JSON that `stringify` wrote. */
export function withReals(answer: Answer): Answer {
  const likelihood = <L extends { readonly logLikelihood: number }>(of: L): L => ({
    ...of,
    logLikelihood: Number(of.logLikelihood),
  });
  if ("likelihoods" in answer) return { likelihoods: answer.likelihoods.map(likelihood) };
  if ("scores" in answer) return { scores: answer.scores.map(Number) };
  return "logLikelihood" in answer ? likelihood(answer) : answer;
}
