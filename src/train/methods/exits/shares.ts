/** Rules by which the layers' losses share. */
export const WEIGHTS = ["linear", "layerskip", "uniform"] as const;
export type Weights = (typeof WEIGHTS)[number];

const rules: Readonly<Record<Weights, (layer: number, layers: number) => number>> = {
  linear: (layer) => layer,
  // LayerSkip, section 4.1.2, with a scale of 1: layers count from 0 there.
  layerskip: (layer, layers) => (layer < layers ? upTo(layer - 1) : layers - 1 + upTo(layers - 2)),
  uniform: () => 1,
};

/** 1 + … + n. */
const upTo = (n: number): number => (n * (n + 1)) / 2;

/** The share of each layer's loss, of layers from 1 to `layers`; together 1. */
export function sharesOf(rule: Weights, of: readonly number[], layers: number): number[] {
  const parts = of.map((layer) => rules[rule](layer, layers));
  const all = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / all);
}
