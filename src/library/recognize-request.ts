import { z } from "zod";
import type { ImageTextModel } from "../engine/encoders/image-text/image-text-model.ts";
import type { RecognizeRequest } from "../pipelines/recognize/recognize.ts";
import { UserError } from "../util/errors.ts";
import { text } from "./arguments.ts";
import type { Model } from "./model.ts";

const isInput = (it: unknown): boolean => typeof it === "string" || it instanceof Uint8Array;
const image = z.strictObject({ image: z.custom<string | Uint8Array>(isInput, "expected a path, or bytes") });
const boxes = z.union(
  [z.literal("auto"), z.array(z.array(z.number()))],
  'expected a list of boxes [left, top, right, bottom], or "auto"',
);

/** The argument of `recognize`. */
export const recognizeRequest = image.extend({
  boxes,
  labels: z.array(text, "expected a list of labels"),
  options: z.custom<RecognizeRequest["options"]>((it) => typeof it === "object", "expected options by name").optional(),
  arrived: z.number("expected a time").optional(),
  signal: z.custom<AbortSignal>((it) => it instanceof AbortSignal, "expected an AbortSignal").optional(),
});
/** An image, boxes in pixels or `auto`, labels, and options. */
export type RecognizeCall = z.input<typeof recognizeRequest>;

/** @throws UserError if the model does not put images and texts into one space */
export function imageTextOf({ name, loaded }: Model): ImageTextModel {
  if (loaded.kind === "encoder of images and texts") return loaded;
  throw new UserError(`${name} does not compare images with texts; expected a CLIP, such as clip-tiny`);
}
