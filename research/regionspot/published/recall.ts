import { ImageTextModel } from "../../../src/engine/encoders/image-text/image-text-model.ts";
import { type Box, overlap } from "../../../src/engine/images/regions/box.ts";
import { resolveModel } from "../../../src/index-lab.ts";
import { recognize } from "../../../src/pipelines/recognize/recognize.ts";
import { Recognizer } from "../../../src/pipelines/recognize/recognizer.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import { type Detected, openDetector } from "../../../tools/detectors.ts";

/** A box is found if a proposed box overlaps it by at least this share of their union. */
const FOUND = 0.5;
/** Least confidences of NanoDet's boxes, and the most boxes of a picture, as many as `auto` keeps. */
const SURE = [0.25, 0.05] as const;
const MOST = 20;

/** The shares of boxes that are found, and the mean number of boxes proposed per picture. */
export interface Recall {
  /** The source of the proposals. */
  readonly by: string;
  readonly found: number;
  /** The control: by the boxes proposed for the next picture. */
  readonly nextPicture: number;
  readonly perPicture: number;
}

/** The boxes that `auto` finds with clip-tiny's localiser, and those that NanoDet finds. */
export async function recalls(scenes: readonly RegionScene[]): Promise<Recall[]> {
  const detected = await detections(scenes);
  return [
    recallOf("clip-tiny's localiser", scenes, await localised(scenes)),
    ...SURE.map((least) =>
      recallOf(
        `NanoDet, sure by ${least}`,
        scenes,
        detected.map((objects) => objects.filter(({ score }) => score >= least).map(boxOf)),
      ),
    ),
  ];
}

async function localised(scenes: readonly RegionScene[]): Promise<Box[][]> {
  using clip = await ImageTextModel.load(await resolveModel("clip-tiny"));
  using recognizer = await Recognizer.open(clip);
  const proposed: Box[][] = [];
  for (const { image } of scenes) {
    const { regions } = await recognize(recognizer, { image: { image }, boxes: "auto", labels: ["a thing"] });
    proposed.push(regions.map(({ box }) => box));
  }
  return proposed;
}

async function detections(scenes: readonly RegionScene[]): Promise<(readonly Detected[])[]> {
  const detect = await openDetector("nanodet", { minConfidence: Math.min(...SURE), maxDetected: MOST });
  const found: (readonly Detected[])[] = [];
  for (const { image } of scenes) found.push(await detect(image));
  return found;
}

const boxOf = ({ box: [left, top, width, height] }: Detected): Box => [left, top, left + width, top + height];

function recallOf(by: string, scenes: readonly RegionScene[], proposed: readonly (readonly Box[])[]): Recall {
  const share = (of: (scene: number) => readonly Box[]) => {
    const found = scenes.flatMap(({ boxes }, i) =>
      boxes.map((box) => of(i).some((other) => overlap(box, other) >= FOUND)),
    );
    return found.filter(Boolean).length / found.length;
  };
  return {
    by,
    found: share((i) => proposed[i]!),
    nextPicture: share((i) => proposed[(i + 1) % scenes.length]!),
    perPicture: proposed.flat().length / scenes.length,
  };
}
