import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { difference } from "../../../models/encoder/encoder.testing.ts";
import { Parity } from "../../../models/parity.testing.ts";
import {
  exactRows,
  fixtures,
  foldersWith,
  isExact,
  picture,
  unpack,
  worstByte,
} from "../../images/pixels/pictures.testing.ts";
import { readImageProcessor } from "../../images/pixels/processor.ts";
import { ImageTextModel } from "./image-text-model.ts";

/** transformers' results in float32, one folder each: tools/reference/image_text.py. */
const folders = foldersWith("image-text.json");

interface Reference {
  readonly texts: readonly string[];
  readonly ids: readonly (readonly number[])[];
  readonly pictures: readonly string[];
  /** Bytes before normalisation, [3, height, width] each. */
  readonly pixels: readonly string[];
  readonly textEmbeddings: string;
  readonly imageEmbeddings: string;
  readonly probabilities: string;
}
const flat = (rows: readonly Float32Array[]) => rows.flatMap((row) => [...row]);

const worst = new Map<string, number>();

describe.each(folders)("%s equals transformers", (name) => {
  const folder = path.join(fixtures, name);
  const reference: Reference = JSON.parse(readFileSync(path.join(folder, "image-text.json"), "utf8"));
  const source = { name, path: folder, source: "file", bytes: 0 } as const;
  const images = reference.pictures.filter(isExact).map((file) => ({ image: picture(file) }));
  const rowsOf = (packed: string) => exactRows(reference.pictures, packed);
  function note(actual: number): void {
    expect(actual).toBeLessThan(1e-4);
    worst.set(`${name} safetensors`, Math.max(actual, worst.get(`${name} safetensors`) ?? 0));
  }

  test.each(reference.pictures.map((file, i) => ({ file, i })))("pixels of $file", async ({ file, i }) => {
    const off = await worstByte(readImageProcessor(folder), file, reference.pixels[i]!);
    expect(off).toBeLessThan(isExact(file) ? 1e-3 : 2);
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

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "images and texts");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const name of folders) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});
