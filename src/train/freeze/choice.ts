import { z } from "zod";

/** The choice of `freeze: auto`, as a checkpoint stores it. */
export const frozenChoice = z.object({
  names: z.array(z.string()).min(1),
  /** FLOPs spent on the gradients that the choice is based on. */
  flops: z.number().min(0),
});
export type FrozenChoice = z.output<typeof frozenChoice>;

/** Tensors that are frozen together: the factors of a LoRA layer, or tensors that are multiplied as one. */
export interface Unit {
  readonly names: readonly string[];
  /** The lowest layer that reads the unit; −1 is the embedding. */
  readonly layer: number;
  /** The squared norm of the unit's gradients. */
  readonly square: number;
}

/** The units to train, and the lowest layer among them. */
export interface TrainedUnits {
  readonly units: readonly Unit[];
  readonly lowest: number;
  /** The trained units' share of the squared norm of all gradients. */
  readonly retained: number;
}

const sumOf = (units: readonly Unit[]): number => units.reduce((sum, { square }) => sum + square, 0);

/**
 * Chooses the layer at which the backward pass ends and, from that layer up, the units with the largest gradients. That
 * layer is the highest for which these units hold the share of the squared norm that random units hold on average.
 */
export function chooseTrained(units: readonly Unit[], share: number): TrainedUnits {
  const count = Math.max(1, Math.round((1 - share) * units.length));
  const whole = sumOf(units);
  const sorted = units.toSorted((a, b) => b.square - a.square);
  const from = (lowest: number): TrainedUnits => {
    const above = sorted.filter(({ layer }) => layer >= lowest).slice(0, count);
    return { units: above, lowest, retained: sumOf(above) / whole };
  };
  const layers = [...new Set(units.map(({ layer }) => layer))].sort((a, b) => b - a);
  const choices = layers.map(from).filter((choice) => choice.units.length === count);
  // If all layers are candidates, the units with the largest gradients hold at least this share, up to rounding.
  return choices.find(({ retained }) => retained >= 1 - share) ?? choices.at(-1)!;
}
