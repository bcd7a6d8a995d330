import { visualFlops } from "../../src/savings/attention/yopo/flops.ts";
import { yopoOptions } from "../../src/savings/attention/yopo/options.ts";
import { parseRecipe } from "../../src/savings/recipe.ts";
import { visualFlopsSaved } from "../../src/savings/tokens/feather/flops.ts";
import { SIDE } from "./measure.ts";
import type { Named, Page, Results } from "./results.ts";
import { architecture } from "./vocabulary.ts";

const sizes = { hidden: architecture.hidden_size, intermediate: architecture.intermediate_size };
const VISUAL = SIDE * (SIDE + 1);

/** The share of visual FLOPs that a recipe of yopo saves, as its paper counts them. */
function yopoSaved({ recipe }: Named, { heads }: Results): number {
  const step = parseRecipe(recipe).find(({ saving }) => saving.name === "yopo");
  const options = yopoOptions.parse(step?.options ?? {});
  const file = options.heads?.replace(/.*\//, "");
  const share = (layer: number): number => {
    const kept = heads.kept[layer]!.filter(Boolean).length / heads.kept[layer]!.length;
    if (file === undefined) return 1;
    return file === "heads.json" ? kept : file === "most.json" ? 1 - kept : 0.5;
  };
  const count = { tokens: VISUAL, ...sizes };
  const all = Array.from({ length: architecture.num_hidden_layers }, (_, layer) => layer);
  const dense = visualFlops(count, { neighbours: VISUAL, heads: all.map(() => 1), ffn: 1 });
  const neighbours = options.radius === undefined ? VISUAL : (2 * options.radius + 1) ** 2;
  const run = all.slice(0, options.layers).map(share);
  return 1 - visualFlops(count, { neighbours, heads: run, ffn: options.ffn }) / dense;
}

/** The share of visual FLOPs that a recipe saves, as its page's paper counts them. */
export function savedOf(page: Page, one: Named, results: Results): number {
  switch (page) {
    case "feather":
      return visualFlopsSaved(VISUAL, one.tokens, sizes);
    case "yopo":
      return yopoSaved(one, results);
  }
}
