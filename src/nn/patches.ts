import { type Dim, reshape, type Tensor, transpose } from "../graph/index.ts";
import type { Matrix } from "../weights/weight-source.ts";
import { project } from "./linear.ts";

/**
 * Vectors of an image's square patches, which do not overlap, row by row: pixels [batch, channels, height, width] →
 * [batch, patches, width of the vectors]. `weight` is the kernel of a convolution with stride `side`, [outputs,
 * channels · side · side]; on reshaped pixels, it is one product (Dosovitskiy et al. 2021, section 3.1).
 */
export function patchVectors(pixels: Tensor, side: number, weight: Matrix, bias?: Tensor): Tensor {
  const [batch, channels, height, width] = pixels.shape as [Dim, number, number, number];
  const [rows, columns] = [height / side, width / side];
  const apart = reshape(pixels, [batch, channels, rows, side, columns, side]);
  const patches = transpose(apart, [0, 2, 4, 1, 3, 5]);
  return project(reshape(patches, [batch, rows * columns, channels * side * side]), weight, bias);
}
