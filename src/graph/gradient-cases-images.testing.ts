/** Operators of convolutional networks, used in small graphs. */

import { batch, type GradientCase, noise, positive } from "./gradient-case.testing.ts";
import { conv2d, enlarge } from "./ops/conv2d.ts";
import { groupNorm } from "./ops/group-norm.ts";
import { resizeBilinear } from "./ops/resize.ts";

const convolutions = [
  { stride: 1, padding: 1, side: 3 },
  { stride: 2, padding: 1, side: 3 },
  { stride: 2, padding: 0, side: 2 },
  { stride: 1, padding: 0, side: 1 },
  { stride: 3, padding: 2, side: 3 },
];

export const images: readonly GradientCase[] = [
  ...convolutions.map(
    ({ side, ...attrs }): GradientCase => ({
      name: `conv2d of ${side} × ${side}, stride ${attrs.stride}, padding ${attrs.padding}`,
      inputs: {
        x: noise(1, [2, 3, 5, 4], [batch, 3, 5, 4]),
        weight: noise(2, [2, 3, side, side]),
        bias: noise(3, [2]),
      },
      bindings: { batch: 2 },
      trace: ({ x, weight, bias }) => [conv2d(x!, weight!, bias!, attrs)],
    }),
  ),
  {
    name: "enlarge",
    inputs: { x: noise(1, [2, 3, 1, 4], [batch, 3, 1, 4]) },
    bindings: { batch: 2 },
    trace: ({ x }) => [enlarge(x!, 2), enlarge(x!, 3)],
  },
  {
    name: "resizeBilinear",
    inputs: { x: noise(1, [2, 3, 4, 3], [batch, 3, 4, 3]) },
    bindings: { batch: 2 },
    trace: ({ x }) => [
      resizeBilinear(x!, { height: 7, width: 2 }),
      resizeBilinear(x!, { height: 1, width: 5 }),
      resizeBilinear(x!, { height: 4, width: 3 }),
    ],
  },
  ...[1, 2, 4].map(
    (groups): GradientCase => ({
      name: `groupNorm of ${groups} groups`,
      inputs: { x: noise(1, [2, 4, 3, 2], [batch, 4, 3, 2]), gain: positive(2, [4]), bias: noise(3, [4]) },
      bindings: { batch: 2 },
      trace: ({ x, gain, bias }) => [groupNorm(x!, gain!, bias!, { groups, epsilon: 1e-3 })],
    }),
  ),
];
