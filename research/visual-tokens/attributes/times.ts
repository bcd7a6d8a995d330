import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../tools/section.ts";

/** The time of a prompt with an image under a recipe. */
export interface Timed {
  readonly recipe: readonly string[];
  /** The least of all rounds. */
  readonly ms: number;
  /** A share of dense's time. */
  readonly time: number;
  /** A share of dense's FLOPs. */
  readonly flops: number;
}

/** The size of a decoder with random weights, and of the image in its prompt. */
export const shapes = {
  large: { hidden: 512, ffn: 1408, layers: 8, heads: 8, grid: [24, 24], rounds: 9 },
  /** The decoder of the world of attributes. */
  world: { hidden: 128, ffn: 344, layers: 6, heads: 4, grid: [12, 13], rounds: 25 },
} as const;
export type Shape = keyof typeof shapes;

/** Measurements of `speed.ts`: processor milliseconds of random decoders, and `ms.prefill` of vlm-tiny's receipts. */
export interface Times {
  readonly machine: string;
  readonly of: Readonly<Record<Shape | "vlm-tiny", readonly Timed[]>>;
}

export const timesFile = join(root, "research/visual-tokens/yopo/time.json");
export const times = (): Times => JSON.parse(readFileSync(timesFile, "utf8"));

export const TIME_HEAD = "prefill time, of dense";

/** The time of a prompt under a recipe, of dense's; "" if it was not measured. */
export function timeOf(decoder: keyof Times["of"], recipe: readonly string[]): string {
  const found = times().of[decoder].find((one) => one.recipe.join(" ") === recipe.join(" "));
  return found?.time.toFixed(2) ?? "";
}
