import { z } from "zod";
import { choice } from "../../../savings/option-schemas.ts";
import { UserError } from "../../../util/errors.ts";
import type { ExitLosses, Trainee } from "../../graphs/graphs.ts";
import type { Method } from "../method.ts";

/** Rules that divide the loss among layers. */
const WEIGHTS = ["linear", "layerskip", "uniform"] as const;
type Weights = (typeof WEIGHTS)[number];

const rules: Readonly<Record<Weights, (layer: number, layers: number) => number>> = {
  linear: (layer) => layer,
  // LayerSkip, section 4.1.2, with a scale of 1; the paper counts layers from 0.
  layerskip: (layer, layers) => (layer < layers ? upTo(layer - 1) : layers - 1 + upTo(layers - 2)),
  uniform: () => 1,
};

/** The sum of 1 to n. */
const upTo = (n: number): number => (n * (n + 1)) / 2;

/** The shares of the loss for the layers `of`, counted from 1; they sum to 1. */
export function sharesOf(rule: Weights, of: readonly number[], layers: number): number[] {
  const parts = of.map((layer) => rules[rule](layer, layers));
  const all = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / all);
}

const options = z.strictObject({
  layers: z
    .string()
    .default("all")
    .describe("layers after which to train the head: numbers such as 4+8, all, or half (the later half)"),
  weights: choice(WEIGHTS)
    .default("linear")
    .describe("weights of the layers' losses: linear in the layer's number (CALM), layerskip, or uniform"),
});
export type ExitsOptions = z.output<typeof options>;

/**
 * Applies the model's own norm and head, with a loss, after several layers, as CALM (Schuster et al. 2022) and
 * LayerSkip (Elhoushi et al. 2024) do to train models that can answer before their last layer.
 */
export const exits: Method<ExitsOptions> = {
  name: "exits",
  summary: "train the head after several layers, for early exits",
  options,
  exits: exitLosses,
};

/** @throws UserError */
function exitLosses(own: ExitsOptions, { stack, objective }: Pick<Trainee, "stack" | "objective">): ExitLosses {
  if (objective.judged) throw new UserError("exits: expected a language model, got a head over whole texts", 2);
  const layers = layersOf(own.layers, stack.layers);
  const shares = sharesOf(own.weights, [...layers, stack.layers], stack.layers);
  const at = layers.map((layer, i) => ({ layer, share: shares[i]!, objective })).filter(({ share }) => share > 0);
  return { at, last: shares.at(-1)! };
}

/** @throws UserError */
function layersOf(text: string, layers: number): number[] {
  const before = Array.from({ length: layers - 1 }, (_, i) => i + 1);
  if (text === "all") return before;
  if (text === "half") return before.filter((layer) => layer >= layers / 2);
  const numbers = text.split("+").map(Number);
  const odd = numbers.find((layer) => !before.includes(layer));
  if (odd !== undefined || new Set(numbers).size < numbers.length)
    throw new UserError(`exits: layers: expected distinct numbers, 1 to ${layers - 1}, joined by +, got "${text}"`, 2);
  return numbers.toSorted((a, b) => a - b);
}
