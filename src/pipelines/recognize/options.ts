import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import { MOST_BOXES } from "./boxes.ts";

/** Options of region recognition. */
export const recognizeOptions = z.strictObject({
  most: z.coerce.number().int().min(1).max(300).default(20).describe("auto: maximum regions to keep"),
  fit: z.coerce.number().min(0).max(1).default(0.5).describe("auto: how well a box must fit an object, 0 to 1"),
});
export type RecognizeOptions = z.output<typeof recognizeOptions>;
export type RecognizeInput = z.input<typeof recognizeOptions>;

/** Maximum labels per request; each is encoded as three sentences. */
const MOST_LABELS = 1000;

const box = z.array(z.number(), "expected [left, top, right, bottom]").length(4);
const boxes = z.union(
  [z.literal("auto"), listOf(box, { of: "boxes", max: MOST_BOXES })],
  'expected a list of boxes [left, top, right, bottom], or "auto"',
);

/** A request's settings for the regions of its image. */
export const fields = {
  boxes: boxes.default("auto").describe("regions in pixels, or auto to find them (experimental)"),
  labels: listOf(z.string().max(200), { of: "labels", max: MOST_LABELS }).describe("possible names of a region"),
  ...recognizeOptions.shape,
};

/** A region in an answer. */
export const shown = z.object({
  box: z.array(z.number()),
  label: z.string(),
  score: z.number(),
  scores: z.record(z.string(), z.number()),
  fit: z.number(),
});
