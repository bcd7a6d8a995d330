import type { VisualSpan } from "../../../savings/plan.ts";
import { UserError } from "../../../util/errors.ts";
import type { Embeddings } from "./additions.ts";

/** A part of a prompt that is not text, such as an image: rows of the residual stream in place of token embeddings. */
export interface EmbeddedSpan {
  /** [rows, width]: in each row, a vector in place of the embedding, then vectors to add after the first layers. */
  readonly embeddings: Float32Array;
  /** Identifies the content: only prompts with the same hash share its computed state. */
  readonly contentHash: string;
  /** Rows and columns of an image's patches, in raster order; their product is the number of rows in `embeddings`. */
  readonly grid?: readonly [rows: number, columns: number];
}

/** A part of a prompt: token ids, or rows of the residual stream. */
export type PromptSpan = readonly number[] | EmbeddedSpan;

/** A prompt made of spans, as the engine reads it. */
export interface SpannedPrompt {
  /** Token ids; ids below 0 stand for rows of `embeddings`, with equal ids for equal content. */
  readonly prompt: number[];
  readonly embeddings: Embeddings;
  /** The spans that have a grid. */
  readonly visual: readonly VisualSpan[];
}

/** The ids below 0 for one content: the first id, the number of ids, and the content's grid. */
interface GivenIds {
  readonly first: number;
  readonly rows: number;
  readonly grid: EmbeddedSpan["grid"];
}

/** Assigned ids, by content. */
const known = new Map<string, GivenIds>();
/** The assigned ids in order of assignment. */
const assignments: GivenIds[] = [];
let next = -1;

/** The position of an id below 0 in its grid; undefined if it has no grid. */
export function placeOfId(
  id: number,
): { readonly row: number; readonly column: number; readonly grid: readonly [number, number] } | undefined {
  const found = assignments.at(lastUpTo(id));
  if (!found?.grid) return undefined;
  const [, columns] = found.grid;
  const at = found.first - id;
  return { row: Math.floor(at / columns), column: at % columns, grid: found.grid };
}

/** The index of the content that an id belongs to; contents are ordered by descending first ids. */
function lastUpTo(id: number): number {
  let [low, high] = [0, assignments.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (assignments[middle]!.first >= id) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Joins all spans into one prompt.
 * @throws UserError if rows are not `width` wide or do not match the grid, or two contents have the same hash
 */
export function promptOfSpans(spans: readonly PromptSpan[], width: number): SpannedPrompt {
  const prompt: number[] = [];
  const embeddings = new Map<number, Float32Array>();
  const visual: VisualSpan[] = [];
  for (const span of spans) {
    if (!("embeddings" in span)) {
      prompt.push(...span);
      continue;
    }
    if (span.grid) visual.push({ first: prompt.length, grid: checkedGrid(span.grid, span, width) });
    for (const [row, id] of idsOf(span, width).entries()) {
      prompt.push(id);
      embeddings.set(id, span.embeddings.subarray(row * width, (row + 1) * width));
    }
  }
  return { prompt, embeddings, visual };
}

function checkedGrid(grid: VisualSpan["grid"], { embeddings }: EmbeddedSpan, width: number): VisualSpan["grid"] {
  const [rows, columns] = grid;
  const tokens = embeddings.length / width;
  if (rows * columns === tokens) return grid;
  throw new UserError(`an image has a grid of ${rows}×${columns}, but ${tokens} rows of embeddings`, 2);
}

function idsOf({ embeddings, contentHash, grid }: EmbeddedSpan, width: number): number[] {
  const rows = embeddings.length / width;
  if (!Number.isInteger(rows) || rows === 0)
    throw new UserError(
      `embeddings have ${embeddings.length} numbers, expected rows of the model's width, ${width}`,
      2,
    );
  const own = known.get(contentHash) ?? { first: next, rows, grid };
  if (own.rows !== rows)
    throw new UserError(`the content hash ${contentHash} had ${own.rows} rows before, and now has ${rows}`, 2);
  if (!known.has(contentHash)) {
    next -= rows;
    assignments.push(own);
  }
  known.set(contentHash, own);
  return Array.from({ length: rows }, (_, i) => own.first - i);
}
