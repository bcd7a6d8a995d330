import { z } from "zod";

/** The choice of `freeze: auto`, as a checkpoint stores it. */
export const frozenChoice = z.object({
  names: z.array(z.string()).min(1),
  /** FLOPs of computing the gradients it is based on. */
  flops: z.number().min(0),
});
export type FrozenChoice = z.output<typeof frozenChoice>;

/** Tensors that are frozen together: the factors of a LoRA layer, or tensors that are multiplied as one. */
export interface Unit {
  readonly names: readonly string[];
  /** The lowest layer that reads it; −1 is the embedding. */
  readonly layer: number;
  /** Squared norm of its gradients. */
  readonly square: number;
}

/** The units to train, and the lowest layer among them. */
export interface TrainedUnits {
  readonly units: readonly Unit[];
  readonly lowest: number;
  /** The share of the squared norm that they hold. */
  readonly retained: number;
}

const sumOf = (units: readonly Unit[]): number => units.reduce((sum, { square }) => sum + square, 0);

/**
 * Chooses the units with the greatest gradients from some layer on: the highest layer for which they hold as much of
 * the squared norm as a random choice from all layers would on average. The backward pass ends at that layer.
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
  // If all layers may be chosen from, the greatest units hold at least this share, up to rounding.
  return choices.find(({ retained }) => retained >= 1 - share) ?? choices.at(-1)!;
}
