import { Buffer as Bytes } from "node:buffer";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { difference } from "../../models/encoder.testing.ts";
import { Parity } from "../../models/parity.testing.ts";
import { decodeImage } from "../image/decode.ts";
import { normalisePixels, readImageProcessor, sized } from "../image/processor.ts";
import { ImageTextModel } from "./image-text-model.ts";

/** transformers' results in float32, a folder each: tools/reference/image_text.py. */
const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "image-text.json")));
const picture = (name: string) => path.join(fixtures, "pictures", name);

interface Reference {
  readonly texts: readonly string[];
  readonly ids: readonly (readonly number[])[];
  readonly pictures: readonly string[];
  /** Bytes before they are normalised, [3, height, width] each. */
  readonly pixels: readonly string[];
  readonly textEmbeddings: string;
  readonly imageEmbeddings: string;
  readonly probabilities: string;
}
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const flat = (rows: readonly Float32Array[]) => rows.flatMap((row) => [...row]);

const worst = new Map<string, number>();

describe.each(folders)("%s equals transformers", (name) => {
  const folder = path.join(fixtures, name);
  const reference: Reference = JSON.parse(readFileSync(path.join(folder, "image-text.json"), "utf8"));
  const source = { name, path: folder, source: "file", bytes: 0 } as const;
  /** JPEG decoders may differ in the last bit, which shows in a vector: those pictures are compared by their pixels. */
  const exact = reference.pictures.map((file) => !file.endsWith(".jpg"));
  const images = reference.pictures.filter((_, i) => exact[i]).map((file) => ({ image: picture(file) }));
  const rowsOf = (packed: string) => {
    const all = unpack(packed);
    const width = all.length / exact.length;
    return all.filter((_, at) => exact[Math.floor(at / width)]);
  };
  function note(found: number): void {
    expect(found).toBeLessThan(1e-4);
    worst.set(`${name} safetensors`, Math.max(found, worst.get(`${name} safetensors`) ?? 0));
  }

  test.each(reference.pictures.map((file, i) => ({ file, i })))("pixels of $file", async ({ file, i }) => {
    const processor = readImageProcessor(folder);
    const { mean, deviation } = processor;
    const pixels = normalisePixels(sized(await decodeImage(readFileSync(picture(file)), file), processor), processor);
    const bytes = Bytes.from(reference.pixels[i]!, "base64");
    const area = bytes.length / 3;
    const off = pixels.map((value, at) => {
      const channel = Math.floor(at / area);
      return Math.abs(255 * (value * deviation[channel]! + mean[channel]!) - bytes[at]!);
    });
    expect(off).toHaveLength(bytes.length);
    expect(Math.max(...off)).toBeLessThan(exact[i] ? 1e-3 : 2);
  });

  test("vectors of texts and images, and the probabilities of texts for images", async () => {
    using model = await ImageTextModel.load(source);
    expect(reference.texts.map((text) => model.tokenizer.input(text).ids)).toEqual(reference.ids);
    const texts = await model.embed(reference.texts);
    note(difference(flat(texts.answers), unpack(reference.textEmbeddings)));
    const seen = await model.embed(images);
    note(difference(flat(seen.answers), rowsOf(reference.imageEmbeddings)));
    const { answers, usage } = await model.classify(images, reference.texts);
    const scores = answers.flatMap(({ scores }) => reference.texts.map((text) => scores[text]!));
    note(difference(scores, rowsOf(reference.probabilities)));
    const { textLength } = model.model.traits;
    const read = reference.ids.map((ids) => textLength ?? ids.length).reduce((a, b) => a + b);
    const tokens = { texts: read, images: images.length * model.model.image.tokens };
    expect(usage.tokens.prompt).toBe(tokens.texts + tokens.images);
    expect(usage.work).toEqual({ imageTokens: { dense: tokens.images, run: tokens.images } });
    expect(usage.flops.spent).toBe(texts.usage.flops.spent + seen.usage.flops.spent);
  });
});

test("docs/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "images and texts");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const name of folders) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});
