/** Steps of an arm: a tenth of the 5,000 that the model was trained for on pictures of this size. */
export const STEPS = 500;

/** A way to tune: the cuts that are active while the model is tuned, and when it is asked; dense without them. */
export interface Arm {
  readonly name: string;
  readonly recipe?: string;
  /** Instead of a recipe: as many random keys as a visual token has neighbours within this radius. */
  readonly random?: number;
}

/** Budgets without `heads`, a fifth, a quarter and an eighth of the visual FLOPs, and single cuts. */
export const arms: readonly Arm[] = [
  { name: "a fifth", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.125" },
  { name: "radius 2", recipe: "yopo:radius=2,causal=true" },
  { name: "a quarter", recipe: "yopo:layers=4,radius=2,causal=true,ffn=0.125" },
  { name: "dense" },
  { name: "half of the neurons", recipe: "yopo:ffn=0.5" },
  { name: "radius 0", recipe: "yopo:radius=0,causal=true" },
  { name: "random keys, as many as within 2", random: 2 },
  { name: "an eighth", recipe: "yopo:layers=2,radius=2,causal=true,ffn=0.125" },
];
