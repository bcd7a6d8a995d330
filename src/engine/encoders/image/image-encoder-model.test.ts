import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { difference } from "../../../models/encoder/encoder.testing.ts";
import { Parity } from "../../../models/parity.testing.ts";
import { UserError } from "../../../util/errors.ts";
import { exactRows, fixtures, foldersWith, isExact, picture, worstByte } from "../../images/pixels/pictures.testing.ts";
import { readImageProcessor } from "../../images/pixels/processor.ts";
import { ImageEncoderModel } from "./image-encoder-model.ts";

/** transformers' results in float32, one folder each: tools/reference/image_encoders.py. */
const folders = foldersWith("image-encoder.json");

interface Reference {
  readonly pictures: readonly string[];
  /** Bytes before normalisation, [3, height, width] each. */
  readonly pixels: readonly string[];
  readonly embeddings: string;
  readonly labels?: readonly string[];
  readonly probabilities?: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixtures, name, "image-encoder.json"), "utf8"));

const open = (name: string, folder = path.join(fixtures, name)) =>
  ImageEncoderModel.load({ name, path: folder, source: "file", bytes: 0 });

const worst = new Map<string, number>();

describe.each(folders)("%s equals transformers", (name) => {
  const { pictures, pixels, embeddings, labels, probabilities } = referenceOf(name);
  const images = pictures.filter(isExact).map((file) => ({ image: picture(file) }));

  test("pixels", async () => {
    const processor = readImageProcessor(path.join(fixtures, name), "bilinear");
    for (const [i, file] of pictures.entries())
      expect(await worstByte(processor, file, pixels[i]!), file).toBeLessThan(isExact(file) ? 1e-3 : 2);
  });

  test("vectors, and the probabilities of labels", async () => {
    using model = await open(name);
    const { answers, usage } = await model.embed(images);
    const off = [
      difference(
        answers.flatMap((row) => [...row]),
        exactRows(pictures, embeddings),
      ),
    ];
    const tokens = images.length * model.model.image.tokens;
    expect(usage.tokens.prompt).toBe(tokens);
    expect(usage.flops.spent).toBeGreaterThan(0);
    if (labels && probabilities) {
      const result = await model.classify(images, undefined);
      const scores = result.answers.flatMap(({ scores }) => labels.map((label) => scores[label]!));
      off.push(difference(scores, exactRows(pictures, probabilities)));
    }
    worst.set(`${name} safetensors`, Math.max(...off));
    expect(worst.get(`${name} safetensors`)).toBeLessThan(1e-4);
  });
});

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "image encoders");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const name of folders) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});

describe("what cannot be answered is refused with a sentence", () => {
  const image = picture("wide.png");
  const root = mkdtempSync(path.join(tmpdir(), "modicum-image-encoder-"));
  afterAll(() => rmSync(root, { recursive: true }));

  test("a label that the classifier does not have", async () => {
    using model = await open("vit");
    const { answers } = await model.classify([{ image }], ["a seven", "a cat"]);
    expect(Object.keys(answers[0]!.scores)).toEqual(["a seven", "a cat"]);
    await expect(model.classify([{ image }], ["a cow"])).rejects.toThrow(
      'the model has no label "a cow", expected some of a cat, a dog, a seven',
    );
    await expect(model.embed([{ image }], { ceiling: { flops: 1 } })).rejects.toThrow("the ceiling is 1.000e+0");
  });

  test("labels for a model without a head", async () => {
    using model = await open("vit-plain");
    await expect(model.classify([{ image }], undefined)).rejects.toThrow("vit-plain has no classification head");
  });

  test("images of a size that a ViT does not read; a DINOv2 reads any", async () => {
    const resized = (name: string, side: number) => {
      const folder = path.join(root, `${name}-${side}`);
      cpSync(path.join(fixtures, name), folder, { recursive: true });
      const file = path.join(folder, "preprocessor_config.json");
      const size = { height: side, width: side };
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), size, do_center_crop: false }));
      return open(name, folder);
    };
    await expect(resized("vit", 32)).rejects.toThrow(UserError);
    await expect(resized("vit", 32)).rejects.toThrow("makes images of 32 pixels per side, expected the model's 24");
    using model = await resized("dinov2", 48);
    expect(model.model.image.tokens).toBe(37);
    expect((await model.embed([{ image }])).answers[0]).toHaveLength(40);
  });
});
