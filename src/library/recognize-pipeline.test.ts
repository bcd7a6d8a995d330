import sharp from "sharp";
import { expect, test } from "vitest";
import { load } from "./load.ts";
import { openRecognizer } from "./recognize-pipeline.ts";

const noise = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (i * 7919) % 251);
const image = await sharp(noise, { raw: { width: 60, height: 40, channels: 3 } })
  .png()
  .toBuffer();
const boxes = [
  [0, 0, 30, 40],
  [30, 0, 60, 20],
];
const request = { image, boxes, labels: ["cat", "red car"] };

test("names regions as the loaded model does, and is freed with it", async () => {
  const recognizer = await openRecognizer("clip-tiny");
  const { regions } = await recognizer.recognize(request);
  expect(regions.map(({ box }) => box)).toEqual(boxes);
  {
    using model = await load("clip-tiny");
    expect((await model.recognize(request)).regions).toEqual(regions);
  }
  recognizer.dispose();
  await expect(recognizer.recognize(request)).rejects.toThrow("the model was used after it was disposed");
});

test("accepts only a folder's localiser and bridge", async () => {
  await expect(openRecognizer("clip-tiny", { regions: "/nowhere" })).rejects.toThrow("/nowhere");
});
