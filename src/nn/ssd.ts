import {
  cumSum,
  exp,
  matmul,
  plus,
  reshape,
  type Shape,
  segmentSums,
  spread,
  sum,
  type Tensor,
  times,
  transpose,
} from "../graph/index.ts";

/** A state space's inputs for each token. */
export interface ScanInputs {
  /** [batch, tokens, heads, size]: the values written into the state. */
  readonly v: Tensor;
  /** [batch, tokens, heads]: the logarithm of the share of the old state that is kept. */
  readonly decay: Tensor;
  /** [batch, tokens, groups, n]: the direction written. Heads of a group are adjacent. */
  readonly b: Tensor;
  /** [batch, tokens, groups, n]: the direction read. */
  readonly c: Tensor;
}

/** The maximum number of tokens per chunk, as in the reference implementation's small models. */
const CHUNK = 64;

/** The greatest divisor of a token count, up to the given chunk length. */
export function chunkOf(tokens: number, size = CHUNK): number {
  let chunk = Math.min(tokens, size);
  while (tokens % chunk > 0) chunk--;
  return chunk;
}

/**
 * S ← e^decay · S + v bᵀ, y = S c over whole sequences from a state of zeros: [batch, tokens, heads, size]. This is
 * Mamba-2's chunked form (Dao & Gu 2024, section 6): attention inside chunks, one state between them. Every operator in
 * it has a gradient; `gatedLinearAttention` is the form for inference. `chunk` divides `tokens`, a number.
 */
export function chunkedScan({ v, decay, b, c }: ScanInputs, chunk: number): Tensor {
  const [batch, tokens, heads, size] = v.shape as [Shape[0], number, number, number];
  const [groups, n] = b.shape.slice(2) as [number, number];
  const [chunks, share] = [tokens / chunk, heads / groups];
  /** Values [batch, chunks, tokens of a chunk, groups, heads of a group, size]. */
  const values = reshape(v, [batch!, chunks, chunk, groups, share, size]);
  const within = (x: Tensor) => transpose(reshape(x, [batch!, chunks, chunk, groups, n]), [0, 1, 3, 2, 4]);
  const [written, read] = [within(b), within(c)];
  // A group's heads are the first axis, so that the tensors they share broadcast over them.
  const steps = transpose(reshape(decay, [batch!, chunks, chunk, groups, share]), [4, 0, 1, 3, 2]);
  const weights = times(exp(segmentSums(steps)), matmul(read, written, { transB: true }));
  const near = transpose(matmul(weights, transpose(values, [4, 0, 1, 3, 2, 5])), [1, 2, 3, 4, 0, 5]);
  const y = chunks === 1 ? near : plus(near, fromEarlier({ values, written, read, steps }));
  return reshape(transpose(y, [0, 1, 3, 2, 4, 5]), v.shape);
}

/** Tensors of one chunk each: [batch, chunks, …]. */
interface Chunks {
  readonly values: Tensor;
  /** [batch, chunks, groups, chunk, n]. */
  readonly written: Tensor;
  readonly read: Tensor;
  /** The logarithms of the tokens' decays: [heads of a group, batch, chunks, groups, chunk]. */
  readonly steps: Tensor;
}

/** The values that tokens read from earlier chunks: [batch, chunks, groups, chunk, heads of a group, size]. */
function fromEarlier({ values, written, read, steps }: Chunks): Tensor {
  const [batch, chunks, chunk, groups, share, size] = values.shape as [Shape[0], ...number[]];
  const n = Number(written.shape[4]);
  const each: Shape = [batch!, chunks!, groups!, chunk!, share!, size!];
  const flat = (x: Tensor, rows: number) => reshape(x, [batch!, chunks!, groups!, rows, share! * size!]);
  /** Factors [heads of a group, batch, chunks, groups, chunk] for each value. */
  const factors = (logs: Tensor) => spread(transpose(exp(logs), [1, 2, 3, 4, 0]), 5, size!);

  const toEnd = factors(cumSum(steps, 4, { reversed: true, exclusive: true }));
  const contributions = flat(times(transpose(values, [0, 1, 3, 2, 4, 5]), toEnd), chunk!);
  const states = reshape(matmul(written, contributions, { transA: true }), [
    batch!,
    chunks!,
    groups!,
    n,
    share!,
    size!,
  ]);
  const byHead = reshape(transpose(states, [0, 2, 4, 1, 3, 5]), [batch!, groups!, share!, chunks!, n * size!]);
  const between = exp(segmentSums(transpose(sum(steps, 4), [1, 3, 0, 2]), { exclusive: true }));
  const before = reshape(matmul(between, byHead), [batch!, groups!, share!, chunks!, n, size!]);
  const products = matmul(read, flat(transpose(before, [0, 3, 1, 4, 2, 5]), n));
  return times(reshape(products, each), factors(cumSum(steps, 4)));
}
