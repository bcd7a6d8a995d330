/** Steps of an arm: a tenth of the 9,500 that the model was trained for. */
export const STEPS = 950;

/** A way to tune: the cuts that are active while the model is tuned, and when it is asked; dense without them. */
export interface Arm {
  readonly name: string;
  readonly recipe?: string;
  /** In place of a recipe: as many keys as a visual token has neighbours within so many rows and columns, at random. */
  readonly random?: number;
}

/** Budgets without `heads`: a quarter, less than a fifth, and an eighth of the visual FLOPs; then single cuts. */
export const arms: readonly Arm[] = [
  { name: "a fifth", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.125" },
  { name: "a quarter", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.35" },
  { name: "dense" },
  { name: "radius 2", recipe: "yopo:radius=2,causal=true" },
  { name: "half of the neurons", recipe: "yopo:ffn=0.5" },
  { name: "an eighth", recipe: "yopo:layers=2,radius=2,causal=true,ffn=0.125" },
  { name: "radius 0", recipe: "yopo:radius=0,causal=true" },
  { name: "random keys, as many as within 2", random: 2 },
];
