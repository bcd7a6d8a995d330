import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseStep } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { shapeOf } from "../bill/shape.ts";
import { openModel } from "../file/open-model.ts";
import { kindOf, kinds, knownKind } from "./index.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const configOf = (name: string) => JSON.parse(readFileSync(path.join(fixture(name), "config.json"), "utf8"));

test("names are all different", () => {
  const names = kinds.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

const fixtures = [
  ["llama-tiny.gguf", "decoder"],
  ["gemma3-images", "decoder"],
  ["gemma3-vision", "decoder"],
  ["internvl", "decoder"],
  ["modernbert", "encoder"],
  ["t5-gated/encoder.gguf", "encoder"],
  ["t5-gated", "encoder with a decoder"],
  ["t5-plain/model.gguf", "encoder with a decoder"],
  ["clip", "encoder of images and texts"],
  ["dinov2", "image encoder"],
  ["unet", "image generator"],
  ["stable-diffusion", "image generator"],
] as const;

test.each(fixtures)("%s is of one kind: %s", (file, name) => {
  const checkpoint = openCheckpoint(fixture(file));
  expect(kinds.filter(({ matches }) => matches(checkpoint)).map((kind) => kind.name)).toEqual([name]);
  expect(knownKind(checkpoint)!.name).toBe(name);
});

test("a model of none of them is refused, with the architectures that run", async () => {
  const checkpoint = { ...openCheckpoint(fixture("t5-gated")), architecture: "lama" };
  await expect(kindOf(checkpoint)).rejects.toThrow(UserError);
  await expect(kindOf(checkpoint)).rejects.toThrow(
    /t5-gated: architecture "lama" is not supported \(supported: .*t5, clip, .*StableDiffusionPipeline, UNet2DModel\); did you mean "llama"\?/,
  );
});

test("a loaded model tells its kind; one without seams runs dense alone", async () => {
  const file = fileURLToPath(new URL("../fixtures/sentences", import.meta.url));
  using model = await openModel({ name: "m", path: file, source: "file", bytes: 0 }, []);
  expect(model.kind).toBe("encoder");
  expect(await model.use([])).toBeUndefined();
  await expect(model.use([parseStep("xattention")])).rejects.toThrow(
    new UserError('m has no seam for savings: "xattention" cannot act', 2),
  );
});

test("what requests cost is not told of every kind", async () => {
  const attempt = () => shapeOf(configOf("t5"), "config.json");
  await expect(attempt).rejects.toThrow(UserError);
  await expect(attempt).rejects.toThrow(
    'config.json is of the kind "encoder with a decoder", expected the configuration of a decoder or encoder',
  );
});
