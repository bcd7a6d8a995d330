import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { readJson } from "../../../weights/json-file.ts";
import { modelForm } from "../../../weights/prepared/quant.ts";

/** The model and sizes of a profile; its thresholds are valid only for these. */
export interface ProfileKey {
  /** SHA-256 of the model's file, hex. */
  modelSha256: string;
  stride: number;
  blockSize: number;
}

/** The file's format. */
export const thresholdProfile = z.strictObject({
  modelSha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"),
  ...modelForm.shape,
  stride: z.int().min(1),
  blockSize: z.int().min(1),
  coverage: z.number().min(0).max(1),
  /** SHA-256 of the texts' token ids; absent in older profiles. */
  textsSha256: z.string().optional(),
  thresholds: z.array(z.array(z.number().min(0)).min(1)).min(1),
});

/** Thresholds per layer and query head, with the model and texts that they were computed from. */
export type ThresholdProfile = z.infer<typeof thresholdProfile>;

export interface ProfileShape {
  rows: number;
  cols: number;
  /** Index of the first query block, counted from the prompt's start. */
  rowOffset: number;
  /** Share of exact attention mass that the kept blocks must hold. */
  coverage: number;
}

/**
 * The threshold at which a head's *estimated* scores keep the blocks that its *exact* attention needs, on one text. For
 * each row, this finds the fewest blocks that hold `coverage` of the exact mass, then keeps every block whose estimate
 * is at least the smallest estimate among them. The threshold is the kept share of the estimated mass over all rows.
 * XAttention's authors released this method (`profile_threshold.py`) instead of the dynamic program of arXiv
 * 2503.16428, section 3.3.
 *
 * `exact` and `estimated` are `[rows, cols]` of one head.
 */
export function profileHead(exact: ArrayLike<number>, estimated: ArrayLike<number>, shape: ProfileShape): number {
  const { rows, cols, rowOffset, coverage } = shape;
  let retained = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const blocks = Array.from({ length: rowOffset + row + 1 }, (_, block) => row * cols + block);
    const least = Math.min(...coveringSet(exact, blocks, coverage).map((i) => estimated[i]!));
    for (const i of blocks) {
      total += estimated[i]!;
      if (estimated[i]! >= least) retained += estimated[i]!;
    }
  }
  return total > 0 ? retained / total : 0;
}

/** The fewest indices, at least one, whose mass reaches `coverage` of the total. */
function coveringSet(mass: ArrayLike<number>, places: number[], coverage: number): number[] {
  const sorted = places.toSorted((a, b) => mass[b]! - mass[a]! || a - b);
  const need = coverage * places.reduce((sum, i) => sum + mass[i]!, 0);
  let reached = 0;
  const last = sorted.findIndex((i) => {
    reached += mass[i]!;
    return reached >= need;
  });
  // Rounding may leave the total just below a coverage of 1.
  return last < 0 ? sorted : sorted.slice(0, last + 1);
}

/** Merges the texts' thresholds `[layers][heads]`: each is the largest among the texts. */
export function mergeProfiles(texts: readonly (readonly (readonly number[])[])[]): number[][] {
  const [first] = texts;
  if (first === undefined) throw new Error("mergeProfiles: expected the thresholds of at least one text");
  return first.map((heads, layer) => heads.map((_, head) => Math.max(...texts.map((text) => text[layer]![head]!))));
}

/** Writes a profile as JSON to a temporary file and renames it. @throws UserError if it cannot be written */
export const saveProfile = (path: string, profile: ThresholdProfile): Promise<void> => writeJson(path, profile);

/** Reads a profile; refuses one made for another model, stride, block size, or number of layers and heads. */
export async function loadProfile(
  path: string,
  use: ProfileKey & { layers: number; heads: number },
): Promise<ThresholdProfile> {
  const profile = readJson(path, thresholdProfile, "a threshold profile");
  for (const key of ["modelSha256", "stride", "blockSize"] as const)
    if (profile[key] !== use[key])
      throw new UserError(`${path}: made for ${key} ${profile[key]}, but this run has ${key} ${use[key]}`);
  const { thresholds } = profile;
  if (thresholds.length !== use.layers)
    throw new UserError(`${path}: expected thresholds for ${use.layers} layers, got ${thresholds.length}`);
  for (const [layer, heads] of thresholds.entries())
    if (heads.length !== use.heads)
      throw new UserError(`${path}: expected ${use.heads} thresholds in layer ${layer}, got ${heads.length}`);
  return profile;
}
