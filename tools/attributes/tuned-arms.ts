/** Steps of an arm: a tenth of the 9,500 that the model was trained for. */
export const STEPS = 950;

/** A way to tune: the cuts that are active while the model is tuned, and when it is asked; dense without them. */
export interface Arm {
  readonly name: string;
  readonly recipe?: string;
  /** In place of a recipe: as many keys as a visual token has neighbours within so many rows and columns, at random. */
  readonly random?: number;
}

export const arms: readonly Arm[] = [
  { name: "dense" },
  { name: "layers 3, radius 2, an eighth of the neurons", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.125" },
  { name: "layers 3, radius 2, half of the neurons", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.5" },
  { name: "layers 2, a quarter of the neurons", recipe: "yopo:layers=2,ffn=0.25" },
  { name: "radius 2", recipe: "yopo:radius=2,causal=true" },
  { name: "radius 0", recipe: "yopo:radius=0,causal=true" },
  { name: "half of the neurons", recipe: "yopo:ffn=0.5" },
  { name: "random keys, as many as within 2", random: 2 },
];
