import type { InternVision } from "../../../models/images/intern-vision.ts";
import type { FittedVision } from "../../../models/images/projected-vision.ts";
import type { FramedVision, SquareVision } from "../../../models/images/vision.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type FittedProcessor, fittedCounts, fittedTiles } from "../../images/pixels/fitted-tiles.ts";
import type { PictureSize, Pixels } from "../../images/pixels/pixels.ts";
import { type ShapedProcessor, shapedPictures, shapedTiles } from "../../images/pixels/shaped-tiles.ts";
import { type TileProcessor, tileCounts, tilesOf } from "../../images/pixels/tiles.ts";
import type { EmbeddedSpan, PromptSpan } from "../run/spans.ts";
import { joinedRows, joinedTiles } from "./joined-tiles.ts";

/** An image as a model's encoder reads it, and the parts that replace it in a prompt. */
export interface PlacedImage {
  /** The number of rows in the residual stream. */
  readonly rows: number;
  /** The number of rows plus the number of tokens around them. */
  readonly tokens: number;
  /** The images that the encoder reads one by one. */
  pictures(picture: Pixels): Promise<readonly Pixels[]>;
  /** The parts that replace the image's token: the rows of the encoded images, in order, and the tokens around them. */
  spans(rows: readonly EmbeddedSpan[]): PromptSpan[];
}

/** Places an image by its size, before it is decoded. @throws UserError if the model does not support that size */
export type PlaceImage = (size: PictureSize) => PlacedImage;

/** Places an image as one picture, whose rows replace the image's token, with no tokens around them. */
export const placeWhole =
  (sized: (picture: Pixels) => Promise<Pixels>, rowsOf: (size: PictureSize) => number): PlaceImage =>
  (size) => {
    const rows = rowsOf(size);
    return { rows, tokens: rows, pictures: async (picture) => [await sized(picture)], spans: (spans) => [...spans] };
  };

/** Places an image as one picture, whose rows stand between two tokens. */
export const placeFramed =
  (sized: (picture: Pixels) => Promise<Pixels>, { frame: [begin, end], tokens }: FramedVision): PlaceImage =>
  () => ({
    ...{ rows: tokens, tokens: tokens + 2 },
    pictures: async (picture) => [await sized(picture)],
    spans: (spans) => [[begin], ...spans, [end]],
  });

/** Places an image as tiles plus the entire image; all rows together stand between two tokens. */
export const placeShaped =
  (processor: ShapedProcessor, tokenizer: Tokenizer, { frame, tokens }: InternVision): PlaceImage =>
  (size) => {
    const [begin, end] = frame.map((token) => tokenizer.encode(token, { special: true }));
    const rows = shapedPictures(size, processor) * tokens;
    return {
      ...{ rows, tokens: begin!.length + rows + end!.length },
      pictures: async (picture) => (await shapedTiles(picture, processor)).pictures,
      spans: (spans) => [begin!, ...spans, end!],
    };
  };

/** An image as tiles, each after its name, and the entire image at the end, like transformers' `Idefics3Processor`. */
export const placeTiles =
  (
    processor: TileProcessor,
    tokenizer: Tokenizer,
    { config: { imageToken }, tokens }: Pick<SquareVision, "config" | "tokens">,
  ): PlaceImage =>
  (size) => {
    const { rows: down, columns } = tileCounts(size, processor);
    const ids = tokenizer.encode(tileText(down, columns), { special: true });
    const pictures = 1 + down * columns;
    const rows = pictures * tokens;
    const spans = (rows: readonly EmbeddedSpan[]) =>
      between(
        ids,
        imageToken,
        rows.map((row) => [row]),
      );
    return {
      ...{ rows, tokens: ids.length - pictures + rows, spans },
      pictures: async (picture) => (await tilesOf(picture, processor)).pictures,
    };
  };

/** The entire image, followed by the tiles of the best-fitting size, which are joined into one picture. */
export const placeFitted =
  (processor: FittedProcessor, { lineEnd, encoder, tokens }: FittedVision): PlaceImage =>
  (size) => {
    const original = [size.height, size.width] as const;
    const grid = { ...fittedCounts(size, processor), side: encoder.side, original, lineEnd };
    const rows = tokens + joinedRows(grid);
    const spans = ([whole, ...tiles]: readonly EmbeddedSpan[]) => {
      const joined = joinedTiles(tiles, grid);
      return joined ? [whole!, joined] : [whole!];
    };
    return { rows, tokens: rows, spans, pictures: async (picture) => (await fittedTiles(picture, processor)).pictures };
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

/** Replaces each `token` among the ids by the spans of the next group. */
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
