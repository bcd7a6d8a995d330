import { expect, test } from "vitest";
import { noise } from "../graph/gradient-case.testing.ts";
import { Graph, gradient, sum, type Tensor } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { ndarray } from "../graph/ndarray.ts";
import { patchVectors } from "./patches.ts";

const [IMAGES, CHANNELS, HEIGHT, WIDTH, SIDE, OUTPUTS] = [2, 3, 4, 6, 2, 5];
const [ROWS, COLUMNS] = [HEIGHT / SIDE, WIDTH / SIDE];
const pixels = noise(1, [IMAGES, CHANNELS, HEIGHT, WIDTH]).data as Float64Array;
const kernel = noise(2, [OUTPUTS, CHANNELS, SIDE, SIDE]).data as Float64Array;

/** Every multiplication in a convolution with a stride: the indices of the pixel, the kernel element and the result. */
function* products() {
  for (let image = 0; image < IMAGES; image++)
    for (let patch = 0; patch < ROWS * COLUMNS; patch++)
      for (let output = 0; output < OUTPUTS; output++)
        for (let at = 0; at < CHANNELS * SIDE * SIDE; at++) {
          const [channel, y, x] = [Math.floor(at / SIDE ** 2), Math.floor(at / SIDE) % SIDE, at % SIDE];
          const [row, column] = [Math.floor(patch / COLUMNS) * SIDE + y, (patch % COLUMNS) * SIDE + x];
          yield {
            pixel: ((image * CHANNELS + channel) * HEIGHT + row) * WIDTH + column,
            weight: output * CHANNELS * SIDE ** 2 + at,
            result: (image * ROWS * COLUMNS + patch) * OUTPUTS + output,
          };
        }
}

const total = (x: Tensor): Tensor => (x.shape.length === 0 ? x : total(sum(x, 0)));

test("patches are a convolution's with their side as the stride, and so are the gradients", () => {
  const g = new Graph();
  const image = g.input("image", "f32", [IMAGES, CHANNELS, HEIGHT, WIDTH]);
  const weight = g.input("weight", "f32", [OUTPUTS, CHANNELS * SIDE ** 2]);
  const vectors = patchVectors(image, SIDE, { kind: "float32 rows", weight });
  g.output("vectors", vectors);
  const [byImage, byWeight] = gradient(total(vectors), [image, weight]);
  g.output("byImage", byImage!);
  g.output("byWeight", byWeight!);
  const got = interpret(
    g,
    { image: ndarray(image.shape as number[], pixels), weight: ndarray(weight.shape as number[], kernel) },
    {},
  );
  const expected = {
    vectors: new Float64Array(IMAGES * ROWS * COLUMNS * OUTPUTS),
    byImage: new Float64Array(pixels.length),
    byWeight: new Float64Array(kernel.length),
  };
  for (const { pixel, weight: element, result } of products()) {
    expected.vectors[result]! += pixels[pixel]! * kernel[element]!;
    expected.byImage[pixel]! += kernel[element]!;
    expected.byWeight[element]! += pixels[pixel]!;
  }
  for (const [name, values] of Object.entries(expected)) {
    expect(got[name]!.data).toHaveLength(values.length);
    for (const [i, value] of values.entries()) expect(got[name]!.data[i]).toBeCloseTo(value, 10);
  }
});
