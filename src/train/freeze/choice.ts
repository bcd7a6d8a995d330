import { z } from "zod";

/** What `freeze: auto` chose, as a checkpoint stores it. */
export const frozenChoice = z.object({
  names: z.array(z.string()).min(1),
  /** FLOPs of the gradients that it read. */
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
  /** Their share of the squared norm. */
  readonly retained: number;
}

const sumOf = (units: readonly Unit[]): number => units.reduce((sum, { square }) => sum + square, 0);

/**
 * Chooses all units but a share: those of the greatest gradients, above the lowest layer that gives the most squared
 * norm for the time of a step. A step runs all layers forward, and those from the lowest trained one backward.
 */
export function chooseTrained(units: readonly Unit[], layers: number, share: number): TrainedUnits {
  const count = Math.max(1, Math.round((1 - share) * units.length));
  const sorted = units.toSorted((a, b) => b.square - a.square);
  const choices = [...new Set(units.map(({ layer }) => layer))].flatMap((lowest) => {
    const above = sorted.filter(({ layer }) => layer >= lowest).slice(0, count);
    return above.length === count ? [{ lowest, above, worth: sumOf(above) / (2 * layers - Math.max(0, lowest)) }] : [];
  });
  const { lowest, above } = choices.reduce((best, one) => (one.worth > best.worth ? one : best));
  return { units: above, lowest, retained: sumOf(above) / sumOf(units) };
}
