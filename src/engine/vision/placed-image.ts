import type { FittedVision } from "../../models/projected-vision.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { type FittedProcessor, fittedTiles } from "../image/fitted-tiles.ts";
import type { Pixels } from "../image/pixels.ts";
import { type TileProcessor, tilesOf } from "../image/tiles.ts";
import type { EmbeddedSpan, PromptSpan } from "../run/spans.ts";
import { joinedTiles } from "./joined-tiles.ts";

/** An image as a model's encoder reads it, and its place in a prompt. */
export interface PlacedImage {
  /** Pictures that the encoder reads one by one. */
  readonly pictures: readonly Pixels[];
  /** The parts that take the place of the image's token: the rows of its pictures, in order, and tokens around them. */
  spans(rows: readonly EmbeddedSpan[]): PromptSpan[];
}

export type PlaceImage = (picture: Pixels) => PlacedImage;

/** An image as one picture, whose rows alone stand in its place. */
export const placeWhole =
  (sized: (picture: Pixels) => Pixels): PlaceImage =>
  (picture) => ({ pictures: [sized(picture)], spans: (rows) => [...rows] });

/**
 * An image as tiles, each behind its name, and the whole of it at the end, as transformers' `Idefics3Processor` writes
 * them.
 */
export const placeTiles =
  (processor: TileProcessor, tokenizer: Tokenizer, { imageToken }: { readonly imageToken: number }): PlaceImage =>
  (picture) => {
    const { pictures, rows: down, columns } = tilesOf(picture, processor);
    const ids = tokenizer.encode(tileText(down, columns), { special: true });
    const spans = (rows: readonly EmbeddedSpan[]) =>
      between(
        ids,
        imageToken,
        rows.map((row) => [row]),
      );
    return { pictures, spans };
  };

/** An image as the whole of it, and behind that the tiles of the size that fits it best, joined to one picture. */
export const placeFitted =
  (processor: FittedProcessor, { lineEnd, encoder }: FittedVision): PlaceImage =>
  (picture) => {
    const { pictures, rows, columns } = fittedTiles(picture, processor);
    const original = [picture.height, picture.width] as const;
    const grid = { rows, columns, side: encoder.side, original, lineEnd };
    const spans = ([whole, ...tiles]: readonly EmbeddedSpan[]) => {
      const joined = joinedTiles(tiles, grid);
      return joined ? [whole!, joined] : [whole!];
    };
    return { pictures, spans };
  };

const IMAGE = "<image>";
const AROUND = "<fake_token_around_image>";

function tileText(rows: number, columns: number): string {
  const whole = `${AROUND}<global-img>${IMAGE}${AROUND}`;
  if (rows === 0) return whole;
  const tile = (row: number, column: number) => `${AROUND}<row_${row + 1}_col_${column + 1}>${IMAGE}`;
  const line = (row: number) => Array.from({ length: columns }, (_, column) => tile(row, column)).join("");
  return `${Array.from({ length: rows }, (_, row) => `${line(row)}\n`).join("")}\n${whole}`;
}

/** Ids with the next spans in the place of each `token`. */
export function between(
  ids: readonly number[],
  token: number,
  groups: readonly (readonly PromptSpan[])[],
): PromptSpan[] {
  const all: PromptSpan[] = [];
  let from = 0;
  for (const spans of groups) {
    const at = ids.indexOf(token, from);
    all.push(ids.slice(from, at), ...spans);
    from = at + 1;
  }
  return [...all, ids.slice(from)];
}
