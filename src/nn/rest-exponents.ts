/**
 * Lyapunov exponents of a state space's channels at rest, in nats per token: A · softplus(bias), where softplus(bias)
 * is the step for an input that projects to zero. Each is negative if A is: A = −exp(A_log). `rates` lists the same
 * number of A for each bias in turn.
 */
export function restExponents(rates: ArrayLike<number>, biases: ArrayLike<number>): Float64Array {
  const share = rates.length / biases.length;
  return Float64Array.from({ length: rates.length }, (_, i) => rates[i]! * softplus(biases[Math.floor(i / share)]!));
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
