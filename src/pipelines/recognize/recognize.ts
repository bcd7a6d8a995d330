import { Stopwatch } from "../../engine/bill/stopwatch.ts";
import { checkLabels } from "../../engine/encoders/image-text/image-text-model.ts";
import { activate, likeliest } from "../../engine/encoders/text/classifier.ts";
import { type ImageInput, readImage } from "../../engine/images/pixels/input.ts";
import type { Box } from "../../engine/images/regions/box.ts";
import type { Floats } from "../../engine/images/regions/runner.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { RecognizeBill } from "./bill.ts";
import { inPixels, sharesOf } from "./boxes.ts";
import { type RecognizeInput, type RecognizeOptions, recognizeOptions } from "./options.ts";
import { propose } from "./propose.ts";
import type { Recognizer } from "./recognizer.ts";

/** A region of a picture with the likeliest of the labels. */
export interface RecognizedRegion {
  /** Left, top, right and bottom edge, in pixels. */
  readonly box: Box;
  readonly label: string;
  /** The label's probability; for a box found by `auto`, multiplied by the box's fit. */
  readonly score: number;
  /** The probability of each label. */
  readonly scores: Readonly<Record<string, number>>;
  /** The localiser's estimate of how well the box fits an object, from 0 to 1. */
  readonly fit: number;
}

/** A picture's size in pixels, and its regions. */
export interface Recognized {
  readonly width: number;
  readonly height: number;
  /** The regions, in the order of the caller's boxes; with `auto`, the best score first. */
  readonly regions: readonly RecognizedRegion[];
  readonly receipt: Receipt;
}

export interface RecognizeRequest {
  readonly image: ImageInput;
  /** Boxes in pixels: left, top, right, bottom; `auto` finds them. */
  readonly boxes: readonly (readonly number[])[] | "auto";
  /** Labels to choose from, of any wording. */
  readonly labels: readonly string[];
  readonly options?: RecognizeInput | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The arrival time, as in `performance.now()`; by default, the time of the call. */
  readonly arrived?: number | undefined;
}

/**
 * Names the regions of a picture with labels of any wording (RegionSpot, Yang et al., arXiv 2311.01373): the localiser
 * and the image–text model see the picture once each, however many regions it has.
 * @throws UserError for an unreadable picture, an invalid box, or equal labels
 */
export async function recognize(recognizer: Recognizer, request: RecognizeRequest): Promise<Recognized> {
  const { image, boxes, labels, options = {}, signal, arrived } = request;
  const time = new Stopwatch(arrived);
  time.enter("encode");
  checkLabels(labels);
  const picture = await readImage(image, 0);
  const { width, height } = picture;
  const shares = boxes === "auto" ? undefined : sharesOf(boxes, picture);
  const bill = new RecognizeBill(recognizer, time);
  const features = await recognizer.localiser.look(picture);
  bill.overhead(recognizer.localiser.pictureCost);
  const proposed = shares ?? (await find(recognizer, features, recognizeOptions.parse(options), bill));
  signal?.throwIfAborted();
  if (proposed.length === 0) return { width, height, regions: [], receipt: bill.receipt(0) };

  const seen = await recognizer.localiser.regions(features, proposed);
  bill.overhead(recognizer.localiser.regionsCost(proposed.length));
  const tokens = await recognizer.model.imageTokens(picture, recognizer.featureLayer);
  bill.tower(tokens.cost);
  const bridged = await recognizer.bridge.vectors(seen.tokens, tokens.values);
  bill.overhead(bridged.cost);
  time.enter("prefill");
  const texts = await recognizer.labels(labels);
  bill.texts(texts);

  const { width: size } = recognizer.model.model;
  const regions = proposed.map((box, i): RecognizedRegion => {
    const vector = bridged.vectors.subarray(i * size, (i + 1) * size);
    const logits = logitsOf(vector, texts.values, recognizer.scale);
    const { label, scores } = likeliest(labels, activate(logits, "softmax"));
    const fit = seen.fits[i]!;
    const score = shares ? scores[label]! : scores[label]! * fit;
    return { box: inPixels(box, picture), label, score, scores, fit };
  });
  if (!shares) regions.sort((a, b) => b.score - a.score);
  return { width, height, regions, receipt: bill.receipt(proposed.length) };
}

async function find(
  { localiser }: Recognizer,
  features: Floats,
  options: RecognizeOptions,
  bill: RecognizeBill,
): Promise<Box[]> {
  const { proposals, tried } = await propose(localiser, features, options);
  bill.overhead(localiser.regionsCost(tried));
  return proposals.map(({ box }) => box);
}

/** The cosines between a region's vector and the texts' vectors [labels, width], times the model's scale. */
export function logitsOf(vector: Float32Array, texts: Float32Array, scale: number): number[] {
  const width = vector.length;
  return Array.from({ length: texts.length / width }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += vector[i]! * texts[row * width + i]!;
    return scale * sum;
  });
}
