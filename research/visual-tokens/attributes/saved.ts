import { visualFlopsSaved } from "../../../src/savings/tokens/feather/flops.testing.ts";
import { yopoSaved } from "../yopo-saved.ts";
import { SIDE, WHOLE } from "./measure.ts";
import type { Named, Page, Results } from "./results.ts";
import { architecture } from "./vocabulary.ts";

const sizes = { hidden: architecture.hidden_size, intermediate: architecture.intermediate_size };
const VISUAL = SIDE * (SIDE + 1);

/** The share of a layer's heads that a file of `measure.ts` keeps; of random heads, the mean. */
function headShare({ kept, deep }: Results["heads"], file: string | undefined, layer: number): number {
  const of = (mask: readonly (readonly boolean[])[]) => mask[layer]!.filter(Boolean).length / mask[layer]!.length;
  const isWhole = layer < WHOLE;
  switch (file) {
    case undefined:
      return 1;
    case "heads.json":
      return of(kept);
    case "most.json":
      return 1 - of(kept);
    case "deep.json":
      return of(deep);
    case "deep-most.json":
      return isWhole ? 1 : 1 - of(deep);
    case "deep-random.json":
      return isWhole ? 1 : 0.5;
    default:
      return 0.5;
  }
}

/** The share of visual FLOPs that a recipe saves, as its page's paper counts them. */
export function savedOf(page: Page, one: Named, results: Results): number {
  switch (page) {
    case "feather":
      return visualFlopsSaved(VISUAL, one.tokens, sizes);
    case "yopo":
      return yopoSaved(
        one.recipe,
        { tokens: VISUAL, ...sizes, layers: architecture.num_hidden_layers },
        ({ heads }, layer) => headShare(results.heads, heads?.replace(/.*\//, ""), layer),
      );
  }
}
