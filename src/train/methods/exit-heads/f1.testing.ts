/**
 * Precision is the share of predictions that are correct, recall the share of labels that are found, and F1 their
 * harmonic mean.
 */
export interface F1 {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export function f1Of(predicted: ArrayLike<number>, labels: ArrayLike<number>, of: number): F1 {
  let [both, claims, there] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (predicted[i] === of) claims++;
    if (labels[i] === of) there++;
    if (predicted[i] === of && labels[i] === of) both++;
  }
  const [precision, recall] = [claims === 0 ? 0 : both / claims, there === 0 ? 0 : both / there];
  return { precision, recall, f1: both === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}
