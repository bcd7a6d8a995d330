import type { ImageEncoderConfig } from "../../models/image-encoder.ts";
import { UserError } from "../../util/errors.ts";
import { type ImageProcessor, readImageProcessor } from "../image/processor.ts";

/** A model folder's image processor. @throws UserError if it gives images of another size than the model reads */
export function processorFor(folder: string, { imageSize }: Pick<ImageEncoderConfig, "imageSize">): ImageProcessor {
  const processor = readImageProcessor(folder);
  const { width, height } = processor;
  if (width === imageSize && height === imageSize) return processor;
  throw new UserError(
    `${folder}: the processor makes images of ${width} × ${height}, expected ${imageSize} × ${imageSize}, which the model reads`,
  );
}
