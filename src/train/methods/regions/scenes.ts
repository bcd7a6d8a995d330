import { dirname, join } from "node:path";
import { z } from "zod";
import { readImage } from "../../../engine/images/pixels/input.ts";
import type { Pixels } from "../../../engine/images/pixels/pixels.ts";
import type { Box } from "../../../engine/images/regions/box.ts";
import { UserError } from "../../../util/errors.ts";
import { checkedLines } from "../../data/checked-lines.ts";

const edge = z.number().min(0);
const line = z
  .object({
    image: z.string().min(1),
    masks: z.string().min(1).optional(),
    boxes: z.array(z.tuple([edge, edge, edge, edge])).min(1),
    labels: z.array(z.string().min(1)),
  })
  .refine(({ boxes, labels }) => boxes.length === labels.length, {
    path: ["labels"],
    error: "expected one for each box",
  });

/** A picture, with its objects' boxes in pixels. */
export interface RegionScene {
  readonly image: string;
  readonly masks?: string | undefined;
  readonly boxes: readonly Box[];
  readonly labels: readonly string[];
}

/** Reads the scenes of a JSON Lines file. @throws UserError with the number of an invalid line */
export function readScenes(file: string): RegionScene[] {
  const folder = dirname(file);
  const scenes = checkedLines(file, line).map(({ image, masks, ...rest }) => ({
    ...{ ...rest, image: join(folder, image) },
    ...(masks && { masks: join(folder, masks) }),
  }));
  if (scenes.length > 0) return scenes;
  throw new UserError(`${file} has no scenes, expected at least one`);
}

/** Returns the only file of a run's data. @throws UserError if there are several files */
export function oneFile(data: readonly string[]): string {
  if (data.length === 1) return data[0]!;
  throw new UserError(`data: expected one file of scenes, got ${data.length}`, 2);
}

/** A scene's boxes as fractions of the picture's sides. */
export const sharesOf = (boxes: readonly Box[], { width, height }: Pick<Pixels, "width" | "height">): Box[] =>
  boxes.map(([left, top, right, bottom]) => [left / width, top / height, right / width, bottom / height]);

/** Reads a scene's masks, in which each pixel holds its object's number, or 0. @throws UserError without masks */
export async function readMasks({ image, masks }: RegionScene): Promise<Pixels> {
  if (masks === undefined) throw new UserError(`${image} has no masks; a localiser needs them`);
  return readImage({ image: masks }, 0);
}
