import { ImageTextModel } from "../../../src/engine/encoders/image-text/image-text-model.ts";
import { type Box, overlap } from "../../../src/engine/images/regions/box.ts";
import { resolveModel } from "../../../src/index-lab.ts";
import { recognize } from "../../../src/pipelines/recognize/recognize.ts";
import { Recognizer } from "../../../src/pipelines/recognize/recognizer.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";

/** A box is found if one that is proposed overlaps with it by so much of their union. */
const FOUND = 0.5;

/** Shares of boxes that are found, and boxes that are proposed for a picture in the mean. */
export interface Recall {
  readonly auto: number;
  readonly nextPicture: number;
  readonly perPicture: number;
}

/** The share of boxes that `auto` finds with clip-tiny's localiser; as a control, with the boxes found in the next picture. */
export async function recallOf(scenes: readonly RegionScene[]): Promise<Recall> {
  using clip = await ImageTextModel.load(await resolveModel("clip-tiny"));
  using recognizer = await Recognizer.open(clip);
  const proposed: Box[][] = [];
  for (const { image } of scenes) {
    const { regions } = await recognize(recognizer, { image: { image }, boxes: "auto", labels: ["a thing"] });
    proposed.push(regions.map(({ box }) => box));
  }
  const share = (of: (scene: number) => readonly Box[]) => {
    const found = scenes.flatMap(({ boxes }, i) =>
      boxes.map((box) => of(i).some((other) => overlap(box, other) >= FOUND)),
    );
    return found.filter(Boolean).length / found.length;
  };
  return {
    auto: share((i) => proposed[i]!),
    nextPicture: share((i) => proposed[(i + 1) % scenes.length]!),
    perPicture: proposed.flat().length / scenes.length,
  };
}
