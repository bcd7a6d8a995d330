import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import type { StateMap, Vector } from "./benettin.ts";

/** x ← e^decay x + input: a state space's state; its inputs do not change its Jacobian. `decays` [steps, size]. */
export const diagonalMap = (decays: Float32Array | Float64Array, size: number): StateMap => {
  const decayed = (vector: Vector, step: number) =>
    vector.map((value, i) => value * Math.exp(decays[step * size + i]!));
  return { next: decayed, push: (_, vector, step) => decayed(vector, step) };
};

/** Standard deviation of the inputs: weak compared with the recurrence. */
const INPUT = 0.1;

/**
 * h ← tanh(W h + u_token) with `size` units, W from N(0, gain²/size): a recurrent network that forgets at a gain below
 * 1 and is chaotic at a large one (Sompolinsky et al. 1988). `ids` are its input tokens, each with an embedding from
 * N(0, 0.01); without ids, it runs freely.
 */
export function tanhNetwork(gain: number, size: number, seed: number, ids: readonly number[] = []): StateMap {
  const normal = normals(seededRandom(seed));
  const draw = (count: number, deviation: number) => Float64Array.from({ length: count }, () => deviation * normal());
  const weights = draw(size * size, gain / Math.sqrt(size));
  const embeddings = new Map<number, Vector>();
  for (const id of new Set(ids)) embeddings.set(id, draw(size, INPUT));
  const input = (step: number) => embeddings.get(ids[step % Math.max(1, ids.length)] ?? Number.NaN);
  const product = (vector: Vector) => {
    const result = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < size; j++) sum += weights[i * size + j]! * vector[j]!;
      result[i] = sum;
    }
    return result;
  };
  const next = (state: Vector, step: number) => {
    const u = input(step);
    return product(state).map((value, i) => Math.tanh(value + (u?.[i] ?? 0)));
  };
  return {
    next,
    push(state, vector, step) {
      const after = next(state, step);
      return product(vector).map((value, i) => value * (1 - after[i]! ** 2));
    },
  };
}
