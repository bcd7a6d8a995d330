import type { Usage } from "../../engine/decode/answer/generate.ts";

/** Layers that a generated token ran through, in the mean; all of them if no saving counted them. */
export function meanLayers(layers: number, { work }: Pick<Usage, "work">): number {
  const { dense, run } = work["layers"] ?? { dense: 1, run: 1 };
  return (layers * run) / dense;
}
