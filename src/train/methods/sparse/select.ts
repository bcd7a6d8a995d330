/**
 * Marks the `count` greatest of `scores`; of equal ones those that come first. Returns a byte for each, 1 if it is
 * among them.
 */
export function greatest(scores: Float32Array, count: number): Uint8Array {
  const chosen = new Uint8Array(scores.length);
  if (count <= 0) return chosen;
  if (count >= scores.length) return chosen.fill(1);
  const least = scores.toSorted()[scores.length - count]!;
  let left = count;
  for (let i = 0; i < scores.length; i++)
    if (scores[i]! > least) {
      chosen[i] = 1;
      left--;
    }
  for (let i = 0; left > 0; i++)
    if (scores[i] === least) {
      chosen[i] = 1;
      left--;
    }
  return chosen;
}
