import type { ImageEncoderConfig } from "../../../models/images/image-encoder.ts";
import { UserError } from "../../../util/errors.ts";
import { type ImageProcessor, readImageProcessor } from "../../images/pixels/processor.ts";

/** The side of the square images that a folder's processor makes. @throws UserError if they are not square */
export function squareOf(folder: string, { width, height }: ImageProcessor): number {
  if (width === height) return width;
  throw new UserError(`${folder}: the processor makes images of ${width} × ${height}, expected squares`);
}

/** The image processor in a model's folder. @throws UserError if its images differ in size from the model's */
export function processorFor(folder: string, { imageSize }: Pick<ImageEncoderConfig, "imageSize">): ImageProcessor {
  const processor = readImageProcessor(folder);
  const { width, height } = processor;
  if (width === imageSize && height === imageSize) return processor;
  throw new UserError(
    `${folder}: the processor makes images of ${width} × ${height}, expected the model's ${imageSize} × ${imageSize}`,
  );
}
