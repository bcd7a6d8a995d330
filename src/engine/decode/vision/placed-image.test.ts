import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { fromFolder, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { decodeImage } from "../../images/pixels/decode.ts";
import { fixtures, isExact, picture, worstOf } from "../../images/pixels/pictures.testing.ts";
import { normalisePixels } from "../../images/pixels/processor.ts";
import { readShapedProcessor, shapedPictures, shapeOf } from "../../images/pixels/shaped-tiles.ts";
import { readTileProcessor, tilesOf } from "../../images/pixels/tiles.ts";
import { between, placeTiles } from "./placed-image.ts";

/** transformers' `Idefics3Processor`: tools/reference/vision_language.py. */
const folder = path.join(fixtures, "idefics3");
const reference: {
  readonly prompt: string;
  readonly pictures: Readonly<Record<string, { readonly ids: readonly number[]; readonly pixels: readonly string[] }>>;
} = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
const tokenizer = new Tokenizer(fromFolder(folder));
const processor = readTileProcessor(folder, 32);
const imageToken = 318;
const ROWS = 4;

test.each(Object.entries(reference.pictures))(
  "%s: tiles, and the prompt's ids, are transformers'",
  async (file, one) => {
    const pixels = await decodeImage(readFileSync(picture(file)), file);
    const placed = placeTiles(processor, tokenizer, { config: { imageToken, hidden: 1 }, tokens: ROWS })(pixels);
    const pictures = await placed.pictures(pixels);
    expect(pictures).toHaveLength(one.pixels.length);
    expect(placed.rows).toBe(ROWS * pictures.length);
    for (const [i, tile] of pictures.entries())
      expect(worstOf(normalisePixels(tile, processor), processor, one.pixels[i]!)).toBeLessThan(
        isExact(file) ? 1e-3 : 2,
      );
    const rows = pictures.map((_, i) => ({ embeddings: new Float32Array(ROWS), contentHash: String(i) }));
    const ids = tokenizer.encode(reference.prompt, { special: true });
    expect(placed.spans(rows).flatMap((span) => ("embeddings" in span ? [...span.embeddings] : span))).toHaveLength(
      placed.tokens,
    );
    const spans = between(ids, imageToken, [placed.spans(rows)]);
    const written = spans.flatMap((span) => ("embeddings" in span ? Array<number>(ROWS).fill(imageToken) : span));
    expect(written).toEqual(one.ids);
  },
);

test("an image without tiles, and one as large as a tile, have no rows and columns", async () => {
  const square = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3) };
  expect(await tilesOf(square, { ...processor, longest: 32 })).toMatchObject({
    rows: 0,
    columns: 0,
    pictures: [square],
  });
  const whole = await tilesOf({ ...square, width: 64, height: 16 }, { ...processor, splits: false });
  expect(whole).toMatchObject({ rows: 0, columns: 0, pictures: [{ width: 32, height: 32 }] });
});

test("a very wide image is a line of tiles", async () => {
  const { rows, columns, pictures } = await tilesOf({ width: 3000, height: 1, data: new Uint8Array(9000) }, processor);
  expect([rows, columns, pictures.length]).toEqual([1, 3, 4]);
});

test("tiles of another size than the model's are refused", () => {
  expect(() => readTileProcessor(folder, 48)).toThrow(UserError);
  expect(() => readTileProcessor(folder, 48)).toThrow("tiles are 32 pixels wide, expected the model's 48");
});

test("shapes of tiles are those nearest to an image's; tiles of another size than the model's are refused", () => {
  const intern = path.join(fixtures, "internvl");
  const shaped = readShapedProcessor(intern, 24);
  const shape = (width: number, height: number) => {
    const { rows, columns } = shapeOf({ width, height }, shaped);
    return [rows, columns, shapedPictures({ width, height }, shaped)];
  };
  expect(shape(30, 30)).toEqual([1, 1, 1]);
  // This image is also square, and large enough for four tiles.
  expect(shape(40, 40)).toEqual([2, 2, 5]);
  expect(shape(90, 30)).toEqual([1, 3, 4]);
  expect(shape(10, 900)).toEqual([4, 1, 5]);
  expect(() => readShapedProcessor(intern, 48)).toThrow("tiles are 24 pixels wide, expected the model's 48");
});
