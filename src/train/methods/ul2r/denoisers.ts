import type { Mode } from "../../../weights/tokenizer/index.ts";
import type { SpanRule } from "./spans.ts";

/** The mode token with which each kind of denoiser begins its sequences (Tay et al. 2022, section 3.1.2). */
const MODE_OF = { S: "S2S", R: "NLU", X: "NLG" } as const;

/** One task of the mixture. */
export type Denoiser =
  /** Continuation: hides everything after a random point, drawn uniformly unless `tail` sets the hidden share. */
  | { readonly kind: "S"; readonly weight: number; readonly tail?: number }
  /** Infilling: regular (R) or extreme (X) corruption. */
  | (SpanRule & { readonly kind: "R" | "X"; readonly weight: number });

export const modeOf = ({ kind }: Denoiser): Mode => MODE_OF[kind];

const spans = (kind: "R" | "X", meanSpan: number, rate: number, weight: number) =>
  ({ kind, meanSpan, rate, weight }) as const;

const mixtures = {
  /**
   * UL2R (Tay et al. 2022): half S, a quarter R, a quarter X. The paper does not specify X; here, half of X has long
   * spans, half a high rate.
   */
  ul2r: [
    { kind: "S", weight: 0.5 } as const,
    spans("R", 3, 0.15, 0.25),
    spans("X", 32, 0.15, 0.125),
    spans("X", 3, 0.5, 0.125),
  ],
  /** The seven denoisers of UL2 (Tay et al. 2022, table 1), equally likely. */
  ul2: [
    spans("R", 3, 0.15, 1 / 7),
    spans("R", 8, 0.15, 1 / 7),
    spans("X", 3, 0.5, 1 / 7),
    spans("X", 8, 0.5, 1 / 7),
    spans("X", 64, 0.15, 1 / 7),
    spans("X", 64, 0.5, 1 / 7),
    { kind: "S", weight: 1 / 7, tail: 0.25 } as const,
  ],
};
export const MIXTURES = Object.keys(mixtures) as readonly (keyof typeof mixtures)[];

export const mixtureOf = (name: keyof typeof mixtures, roll: boolean): readonly Denoiser[] =>
  mixtures[name].map((denoiser) => (denoiser.kind === "S" ? denoiser : { ...denoiser, roll }));

/** Draws a denoiser with probability proportional to its weight; the weights sum to 1. */
export function drawDenoiser(mixture: readonly Denoiser[], random: () => number): Denoiser {
  let rest = random();
  for (const denoiser of mixture) {
    if (rest < denoiser.weight) return denoiser;
    rest -= denoiser.weight;
  }
  return mixture.at(-1)!;
}
