import { parseRecipe } from "../../src/index-lab.ts";
import { type VisualSizes, visualFlops } from "../../src/savings/attention/yopo/flops.testing.ts";
import { type YopoOptions, yopoOptions } from "../../src/savings/attention/yopo/options.ts";

/** A decoder with visual tokens. */
interface Sizes extends VisualSizes {
  readonly layers: number;
}

/**
 * The share of visual FLOPs that a recipe of yopo saves, as its paper counts them; `headShare` is that of a layer's heads
 * which visual tokens keep.
 */
export function yopoSaved(
  recipe: readonly string[],
  { layers, ...sizes }: Sizes,
  headShare: (options: YopoOptions, layer: number) => number = () => 1,
): number {
  const step = parseRecipe(recipe).find(({ saving }) => saving.name === "yopo");
  const options = yopoOptions.parse(step?.options ?? {});
  const { radius, ffn, layers: run } = options;
  const all = Array.from({ length: layers }, (_, layer) => layer);
  const dense = visualFlops(sizes, { neighbours: sizes.tokens, heads: all.map(() => 1), ffn: 1 });
  const neighbours = radius === undefined ? sizes.tokens : (2 * radius + 1) ** 2;
  const heads = all.slice(0, run).map((layer) => headShare(options, layer));
  return 1 - visualFlops(sizes, { neighbours, heads, ffn }) / dense;
}
