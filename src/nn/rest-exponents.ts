/**
 * Lyapunov exponents of a state space's channels at rest, nats a token: A · softplus(bias), the steps of an input that
 * moves them nowhere. Each is negative if A is: A = −exp(A_log). `rates` (A) are as many for each bias.
 */
export function restExponents(rates: ArrayLike<number>, biases: ArrayLike<number>): Float64Array {
  const share = rates.length / biases.length;
  return Float64Array.from({ length: rates.length }, (_, i) => rates[i]! * softplus(biases[Math.floor(i / share)]!));
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
