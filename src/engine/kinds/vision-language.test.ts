import path from "node:path";
import { expect, test } from "vitest";
import { openVision } from "../../models/images/open-vision.ts";
import { traceMerged } from "../../models/images/vision-graph.ts";
import { prepare } from "../../models/programs/programs.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { PatchRunner } from "../decode/vision/picture-encoder.ts";
import type { KindFacts } from "../file/described.ts";
import { readPatchProcessor } from "../images/pixels/patches.ts";
import { fixtures } from "../images/pixels/pictures.testing.ts";
import { withImages } from "./vision-language.ts";

test.each(["qwen2-vl", "qwen2-5-vl", "qwen3-vl"])(
  "%s: an image is described with the cost that it has",
  async (name) => {
    const folder = path.join(fixtures, name);
    const [checkpoint, weightsFolder] = [openCheckpoint(folder), tempFolder()];
    const plain = { flops: () => ({}) } as unknown as KindFacts;
    const { image, flops } = await withImages(plain, checkpoint, weightsFolder, "f32");
    const side = image!.imageSize;
    expect(image).toMatchObject({ imageSize: 128, tokens: 256 });

    const { vision, weights } = await openVision(checkpoint, weightsFolder, "f32");
    if (vision.pictures !== "patches") throw new Error("a fixture of patches was expected");
    const [graph] = prepare(weights, () => [traceMerged(vision)]);
    using runner = await PatchRunner.compile(graph!, vision, readPatchProcessor(folder, vision.encoder.config));
    const { cost } = await runner.run({ width: side, height: side, data: new Uint8Array(3 * side ** 2) });
    expect(flops({} as never).flopsPerImage).toBe(cost.flops);
  },
);
