import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";

/** The file's format: each layer's key–value heads that visual tokens use. */
const headMask = z.strictObject({
  modelSha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"),
  /** The requested share of kept heads. */
  keep: z.number().min(0).max(1),
  /** SHA-256 of the texts' token ids. */
  textsSha256: z.string().optional(),
  /** The ratio of visual to text attention, by layer and head, that the required share of texts exceeds. */
  ratios: z.array(z.array(z.number().min(0)).min(1)).min(1),
  kept: z.array(z.array(z.boolean()).min(1)).min(1),
});

export type HeadMask = z.infer<typeof headMask>;

/**
 * The mask that keeps the share of heads with the greatest ratios over all layers, and all heads of the first `whole` layers (YOPO,
 * arXiv 2410.06169, section 3, where the threshold is also global).
 */
export function keptHeads(ratios: readonly (readonly number[])[], keep: number, whole: number): boolean[][] {
  const all = ratios.flat().toSorted((a, b) => b - a);
  const least = all[Math.round(keep * all.length) - 1] ?? Number.POSITIVE_INFINITY;
  return ratios.map((heads, layer) => heads.map((ratio) => layer < whole || ratio >= least));
}

/** The mask that keeps a share of the first `layers` layers' heads: first all of the first `whole` layers, then the greatest ratios. */
export function headsWithin(
  ratios: readonly (readonly number[])[],
  keep: number,
  { whole, layers }: { readonly whole: number; readonly layers: number },
): boolean[][] {
  const places = ratios
    .slice(0, layers)
    .flatMap((heads, layer) => heads.map((ratio, head) => ({ layer, head, ratio, first: layer < whole })));
  const ranked = places.toSorted((a, b) => Number(b.first) - Number(a.first) || b.ratio - a.ratio);
  const mask = ratios.map((heads) => heads.map(() => false));
  for (const { layer, head } of ranked.slice(0, Math.round(keep * places.length))) mask[layer]![head] = true;
  return mask;
}

/** @throws UserError if the file is not a head mask, or is for another model */
export async function loadHeads(
  file: string,
  { modelSha256, layers, heads }: { readonly modelSha256: string; readonly layers: number; readonly heads: number },
): Promise<HeadMask> {
  const mask = readJson(file, headMask, "a head mask");
  if (mask.modelSha256 !== modelSha256)
    throw new UserError(
      `${file} is for the model ${mask.modelSha256.slice(0, 12)}…, but this model is ${modelSha256.slice(0, 12)}…`,
    );
  if (mask.kept.length !== layers || mask.kept.some((row) => row.length !== heads))
    throw new UserError(`${file}: expected "kept" to list ${layers} layers with ${heads} heads each`);
  return mask;
}
