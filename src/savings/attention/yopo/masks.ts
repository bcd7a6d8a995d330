import { UserError } from "../../../util/errors.ts";
import type { LayerMask, Sees } from "../../masks.ts";
import type { VisualSpan } from "../../plan.ts";
import type { YopoOptions } from "./options.ts";
import { Entries, isIn, type Reach } from "./tiles.ts";

/** The range in which visual tokens see each other. */
export const reachOf = ({ radius, causal }: YopoOptions): Reach =>
  radius === undefined ? { radius: Number.POSITIVE_INFINITY, causal: true } : { radius, causal };

/** The mask of each layer. @throws UserError if the options set `heads` */
export function yopoMasks(options: YopoOptions, depth: number): LayerMask[] {
  const { heads, layers = depth, radius, ffn } = options;
  if (heads !== undefined)
    throw new UserError(
      "yopo: heads: training changes the weights that the file was made for; use layers, radius, causal or ffn",
      2,
    );
  const reach = reachOf(options);
  const near = (visual: readonly VisualSpan[], tokens: number) => neighbours(visual, tokens, reach);
  const shallow: LayerMask = { share: ffn, ...(radius !== undefined && { sees: near }) };
  const deep: LayerMask = { share: 1, sees: textAlone };
  return Array.from({ length: depth }, (_, layer) => (layer < layers ? shallow : deep));
}

const neighbours = (visual: readonly VisualSpan[], tokens: number, reach: Reach): Sees =>
  new Entries(visual, [...Array(tokens).keys()]).sees(reach);

/** A mask in which text does not attend to images; the images' own results are unused. */
function textAlone(visual: readonly VisualSpan[]): Sees {
  const isVisual = (position: number) => visual.some((span) => isIn(span, position));
  return (query, key) => key <= query && (!isVisual(key) || isVisual(query));
}
