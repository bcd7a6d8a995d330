import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { readImageProcessor, sized } from "./processor.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-processor-"));
afterAll(() => rmSync(folder, { recursive: true }));

const usual = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
function read(fields: object) {
  writeFileSync(path.join(folder, "preprocessor_config.json"), JSON.stringify({ ...usual, ...fields }));
  return readImageProcessor(folder);
}

test("sizes as one number, as old files have them", () => {
  const cropped = read({ size: 8, do_center_crop: true, crop_size: 6 });
  expect(cropped).toMatchObject({ resize: { shortest: 8 }, width: 6, height: 6, filter: "bicubic" });
  expect(read({ size: 8, resample: 2 })).toMatchObject({ resize: { width: 8, height: 8 }, filter: "bilinear" });
});

test("a picture of the model's size is taken as it is; a larger one's crop is not", async () => {
  const data = Uint8Array.from({ length: 192 }, (_, i) => (37 * i) % 251);
  const picture = { width: 8, height: 8, data };
  expect(await sized(picture, read({ size: 8 }))).toBe(picture);
  expect((await sized(picture, read({ size: 8, do_center_crop: true, crop_size: 4 }))).data).toHaveLength(48);
});

test("only the crop of an extreme picture is computed", async () => {
  const processor = read({ size: { shortest_edge: 24 }, do_center_crop: true, crop_size: { height: 24, width: 24 } });
  // The whole image would have 24 × 24 million pixels.
  const line = { width: 1_000_000, height: 1, data: new Uint8Array(3_000_000).fill(7) };
  const { width, height, data } = await sized(line, processor);
  expect([width, height, new Set(data)]).toEqual([24, 24, new Set([7])]);
});

test.each([
  [{ do_resize: false, size: 8 }, /"do_resize" is false, expected true/],
  [{ size: { shortest_edge: 8 } }, /"size" has a shortest edge but no crop/],
  [{ size: 8, do_center_crop: true, crop_size: 9 }, /the crop is 9 × 9, expected at most the size, 8 × 8/],
  [{ size: 8, resample: 0 }, /resample.*expected 2 \(bilinear\) or 3 \(bicubic\)/],
  [{ size: { longest_edge: 8 } }, /size/],
])("%j is refused", (fields, sentence) => {
  expect(() => read(fields)).toThrow(UserError);
  expect(() => read(fields)).toThrow(sentence);
});
