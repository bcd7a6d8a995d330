/** Synthetic streams, from which labels can be predicted. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { toHalves } from "../../../weights/gguf/half.ts";
import { exitTrainOptions } from "./options.ts";
import { StateCache } from "./states/cache.ts";
import type { TrainingStates } from "./training-states.ts";

const BLOCK = 64;
export const HIDDEN = 64;

const ranges = { training: [0, 32], calibration: [32, 40], test: [40, 64] } as const;
const ROWS = ranges.test[1];
export const POSITIONS = ROWS * BLOCK;

export const options = exitTrainOptions.parse({ block: BLOCK, deciderEpochs: 6, deciderRate: 5e-2 });

/** States of normal noise to which `fill` adds signals by position; as in a model, elements differ in size. */
export function syntheticStates(
  layers: readonly number[],
  fill: (layer: number, position: number, stream: Float32Array) => void,
): TrainingStates {
  const folder = mkdtempSync(join(tmpdir(), "modicum-test-"));
  const cache = new StateCache(BLOCK, HIDDEN, layers, folder);
  // Open files stay readable.
  rmSync(folder, { recursive: true });
  const normal = normals(seededRandom(11));
  const teacher = new Int32Array(BLOCK * 10);
  for (let row = 0; row < ROWS; row++) {
    const streams = new Map(layers.map((layer) => [layer, rowOf(layer, row)] as const));
    cache.add(row, streams, teacher);
  }
  function rowOf(layer: number, row: number): Uint16Array {
    const floats = new Float32Array(BLOCK * HIDDEN);
    for (let t = 0; t < BLOCK; t++) {
      const stream = floats.subarray(t * HIDDEN, (t + 1) * HIDDEN);
      for (let k = 0; k < HIDDEN; k++) stream[k] = normal();
      fill(layer, row * BLOCK + t, stream);
      for (let k = 0; k < HIDDEN; k++) stream[k] = stream[k]! * (k % 7 === 0 ? 30 : 1) + (k % 5 === 0 ? 20 : 0);
    }
    return toHalves(floats);
  }
  const corpus = { sha256: "", block: BLOCK, blocks: new Array(ROWS).fill(new Int32Array(BLOCK + 1)), ranges };
  return {
    corpus,
    cache,
    truth: new Int32Array(POSITIONS),
    teacher: new Int32Array(POSITIONS * 10),
    unbilled: { flops: 0 },
  };
}
