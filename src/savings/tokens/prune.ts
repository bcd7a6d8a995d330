import { z } from "zod";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { choice, flag, fraction, integer, optionalInteger } from "../option-schemas.ts";
import type { Probe } from "../plan.ts";
import type { Saving } from "../saving.ts";
import { unsupportedCut } from "./unsupported.ts";

const options = z
  .strictObject({
    after: optionalInteger(1).describe("layers that process all tokens of the prompt, counted from the first"),
    keep: fraction(0.5).describe("share of the prompt's tokens that deeper layers process; 1 is dense"),
    by: choice(["uniform", "recent", "random", "attention"])
      .default("attention")
      .describe(
        "the tokens to keep: evenly spaced, the latest, random, or the most attended by the last token in the last layer before the cut",
      ),
    sinks: integer(0, 4).describe("number of first tokens that are always kept"),
    last: integer(1, 32).describe("number of last tokens that are always kept"),
    rotary: flag(true).describe("with by=attention: scores include the rotary embedding"),
    seed: integer(0, 0).describe("seed of by=random"),
    minLength: integer(2, 512).describe("shorter prompts, in tokens, stay dense"),
  })
  .superRefine(({ after, keep }, context) => {
    if (after === undefined)
      context.addIssue({
        code: "custom",
        message: "expected the layer after which tokens are dropped, such as prune:after=8",
      });
    if (keep === 0) context.addIssue({ code: "custom", message: "keep: expected more than 0 and at most 1, got 0" });
  });

export type PruneOptions = z.infer<typeof options>;

/** @throws UserError if the model does not support pruning at this layer */
function checkPrune({ after }: PruneOptions, decoder: Decoder): void {
  const why = unsupportedCut(decoder);
  if (why !== undefined) throw new UserError(`prune does not support this model: it has ${why}`, 2);
  const { layers } = decoder.config;
  if (after! >= layers)
    throw new UserError(
      `prune: after=${after} leaves no deeper layer; expected fewer than the model's ${layers} layers`,
      2,
    );
}

/**
 * Drops some tokens of a long prompt after a layer: deeper layers process only the remaining tokens. The criterion of
 * `by=attention` is the last query's attention, averaged over heads. FEATHER (arXiv 2412.13180) studies this criterion
 * on visual tokens; here it applies to text.
 */
export const prune: Saving<PruneOptions> = {
  name: "prune",
  group: "tokens",
  summary: "deeper layers process only the most attended prompt tokens",
  needs: ["between layers"],
  options,
  withoutPreset:
    "no choice of tokens has been shown to work on this model; choose one, such as prune:after=8,keep=0.5,by=attention",
  unsupported: unsupportedCut,
  servesAxes: true,
  seams: ({ after }) => [`the cut of a prompt after layer ${after}`],
  settings: (layers) => [
    `after=${deep(2 / 3, layers)},keep=0.75`,
    `after=${deep(1 / 2, layers)}`,
    `after=${deep(1 / 3, layers)},keep=0.3`,
  ],
  leastPrompt: { option: "minLength", tokens: ({ minLength }) => minLength },
  async check(options, { decoder }) {
    checkPrune(options, decoder);
  },
  async prepare(options, { decoder }) {
    checkPrune(options, decoder);
    if (options.keep === 1) return undefined;
    const scores = options.by === "attention" ? await lastQueryScores(options, decoder) : undefined;
    return {
      plan: ({ prompt }) => (prompt < options.minLength ? undefined : partOf(options, scores)),
      [Symbol.dispose]: () => scores?.[Symbol.dispose](),
    };
  },
};

async function lastQueryScores({ after, rotary }: PruneOptions, decoder: Decoder) {
  const { LastQueryScores } = await import("./last-query.ts");
  return LastQueryScores.create(decoder, after! - 1, { rotary, some: false });
}

/** A share of the model's layers as a number of layers, at least 1. */
const deep = (share: number, layers: number): number => Math.max(1, Math.round(share * layers));

const partOf = (options: PruneOptions, probe: Probe | undefined) => ({
  cuts: [
    {
      after: options.after!,
      scope: "prompt" as const,
      ...(probe && { probe }),
      decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => ({
        kind: "keep" as const,
        positions: keptOf(options, tokens, probed),
      }),
    },
  ],
  state: { prompt: undefined, answer: undefined },
});

/**
 * Indices of the tokens that deeper layers process, in order: the sinks, the last tokens, and the best other tokens by
 * the criterion, up to the share.
 */
export function keptOf(options: PruneOptions, tokens: number, scores: Float32Array): Int32Array {
  const { keep, sinks, last } = options;
  const between = Array.from({ length: Math.max(0, tokens - sinks - last) }, (_, i) => sinks + i);
  const room = Math.min(between.length, Math.max(0, Math.round(keep * tokens) - (tokens - between.length)));
  const chosen = new Set(choose(options, between, room, scores));
  const all = Array.from({ length: tokens }, (_, i) => i);
  const isBetween = (i: number) => i >= sinks && i < sinks + between.length;
  return Int32Array.from(all.filter((i) => !isBetween(i) || chosen.has(i)));
}

function choose({ by, seed }: PruneOptions, among: readonly number[], count: number, scores: Float32Array): number[] {
  switch (by) {
    case "uniform":
      return Array.from({ length: count }, (_, i) => among[Math.floor(((i + 0.5) * among.length) / count)]!);
    case "recent":
      return among.slice(among.length - count);
    case "random": {
      const random = seededRandom(seed);
      return among
        .map((i) => ({ i, at: random() }))
        .sort((a, b) => a.at - b.at)
        .slice(0, count)
        .map(({ i }) => i);
    }
    case "attention":
      return among.toSorted((a, b) => scores[b]! - scores[a]! || b - a).slice(0, count);
  }
}
