import { type Dim, reshape, resizeBilinear, type Tensor, transpose } from "../graph/index.ts";
import { placesOf } from "./image-layers.ts";

/** Rows and columns. */
type Grid = readonly [rows: number, columns: number];

/**
 * Vectors of a grid, row by row, resized to another grid by bilinear interpolation with corners not aligned: [batch,
 * places of `from`, width] → [batch, places of `to`, width].
 */
export function resizeGrid(x: Tensor, from: Grid, to: Grid): Tensor {
  const [batch, , width] = x.shape as [Dim, number, number];
  const image = reshape(transpose(x, [0, 2, 1]), [batch, width, ...from]);
  return placesOf(resizeBilinear(image, { height: to[0], width: to[1] }));
}
