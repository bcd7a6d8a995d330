import { Buffer as Bytes } from "node:buffer";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { decodeImage } from "./decode.ts";
import { readImage } from "./input.ts";

const file = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/pictures/${name}`, import.meta.url));

/** A picture of one colour with these channels. */
const plain = (colour: readonly number[], width = 8, height = 6) => {
  const data = Uint8Array.from({ length: width * height * colour.length }, (_, i) => colour[i % colour.length]!);
  return sharp(data, { raw: { width, height, channels: colour.length as 3 | 4 } });
};
const first = async (bytes: Uint8Array) => [...(await decodeImage(bytes, "x")).data.subarray(0, 3)];

test("a picture stands upright by its EXIF orientation", async () => {
  const { width, height, data } = await decodeImage(readFileSync(file("turned.jpg")), "turned.jpg");
  expect([width, height]).toEqual([41, 70]);
  expect(data).toHaveLength(3 * 41 * 70);
});

test("transparency is on white, grey has three channels, 16 bits become 8", async () => {
  expect(await first(await plain([200, 100, 0, 0]).png().toBuffer())).toEqual([255, 255, 255]);
  const [half] = await first(await plain([0, 0, 0, 128]).webp({ lossless: true }).toBuffer());
  expect(Math.abs(half! - 127)).toBeLessThanOrEqual(1);
  const grey = await plain([90, 90, 90]).toColourspace("b-w").png().toBuffer();
  expect(await first(grey)).toEqual([90, 90, 90]);
  const deep = await plain([10, 130, 250]).toColourspace("rgb16").png().toBuffer();
  expect(await first(deep)).toEqual([10, 130, 250]);
});

test("CMYK becomes sRGB", async () => {
  const [red, green, blue] = await first(await plain([220, 30, 30]).toColourspace("cmyk").jpeg().toBuffer());
  expect(red).toBeGreaterThan(150);
  expect(Math.max(green!, blue!)).toBeLessThan(110);
});

test("a picture of one pixel", async () => {
  expect(await first(await plain([1, 2, 3], 1, 1).png().toBuffer())).toEqual([1, 2, 3]);
});

/** A JPEG whose header claims this many pixels. */
async function claiming(width: number, height: number): Promise<Uint8Array> {
  const bytes = await plain([9, 9, 9]).jpeg().toBuffer();
  const frame = bytes.indexOf(Bytes.of(0xff, 0xc0));
  bytes.writeUInt16BE(height, frame + 5);
  bytes.writeUInt16BE(width, frame + 7);
  return bytes;
}

const noise = Uint8Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 7919) % 251);
const detailed = () => sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length / 2);
const animated = sharp(noise, { raw: { width: 64, height: 64, channels: 3, pageHeight: 32 } });

const refused: readonly [string, () => Promise<Uint8Array>, string | RegExp][] = [
  ["a bomb", () => claiming(30000, 30000), "x: the image has 30000 × 30000 pixels, expected at most 100000000 in all"],
  ["a truncated JPEG", async () => half(await detailed().jpeg().toBuffer()), /^x: the image cannot be decoded \(.+\)$/],
  ["a truncated PNG", async () => half(await detailed().png().toBuffer()), /^x: the image cannot be decoded \(.+\)$/],
  ["a header alone", async () => Bytes.from("\x89PNG\r\n\x1a\n", "latin1"), /^x: the image cannot be decoded \(.+\)$/],
  ["an animation", () => animated.gif().toBuffer(), "x: the image is animated (2 frames); expected a still image"],
  [
    "an SVG",
    async () => Bytes.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    "x: this is an SVG, a drawing without pixels; expected one of PNG, JPEG, WebP, GIF",
  ],
  ["nothing", async () => Bytes.alloc(0), "x: the image is empty, expected one of PNG, JPEG, WebP, GIF"],
  [
    "a text",
    async () => Bytes.from("hello"),
    "x: this is not an image of a known format, expected one of PNG, JPEG, WebP, GIF",
  ],
];

test.each(refused)("%s is refused with a sentence", async (_, bytes, sentence) => {
  const attempt = decodeImage(await bytes(), "x");
  await expect(attempt).rejects.toThrow(UserError);
  await expect(attempt).rejects.toThrow(sentence);
});

test("files and bytes are read; what cannot be is named", async () => {
  const { width, height } = await readImage({ image: file("wide.png") }, 0);
  expect([width, height]).toEqual([91, 50]);
  await expect(readImage({ image: new Uint8Array(3) }, 1)).rejects.toThrow(/^image 2: this is not an image/);
  await expect(readImage({ image: "/no/such.png" }, 0)).rejects.toThrow(/^\/no\/such\.png: there is no such file/);
  await expect(readImage({ image: "" }, 1)).rejects.toThrow("image 2: the path is empty, expected a file's path");
  await expect(readImage({ image: "data:image/png;base64,AAAA" }, 0)).rejects.toThrow(
    "image 1: this is a data: URL, expected the path of a file or its bytes",
  );
  await expect(readImage({ image: "http://a.b/c.png" }, 0)).rejects.toThrow(
    "http://a.b/c.png: images are not fetched over a network, expected the path of a file or its bytes",
  );
});
