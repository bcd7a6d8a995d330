import { join } from "node:path";
import { root } from "../../../tools/section.ts";

/** A way to tune: the cuts that are active while the model is tuned, and when it is asked; dense without them. */
export interface Arm {
  readonly name: string;
  readonly recipe?: string;
}

/** A fifth of the visual FLOPs, beside the whole. */
export const arms: readonly Arm[] = [
  { name: "a fifth", recipe: "yopo:layers=3,radius=2,causal=true,ffn=0.1" },
  { name: "dense" },
];

/** The right answers of an arm: a digit a question, about scenes of one thing and of several. */
export interface Told {
  readonly name: string;
  readonly when: "before" | "after";
  readonly right: { readonly one: string; readonly several: string };
}

/** The answers before and after a number of steps. */
export interface Tuned {
  readonly steps: number;
  readonly told: readonly Told[];
}

export const tunedFile = join(root, "research/visual-tokens/yopo/vlm-tiny.json");
