/** The divergence of a model's predictions from another's on the same tokens. */
export interface Divergence {
  /** Mean KL(p ‖ q) of a token, nats; p are the first model's probabilities. */
  readonly kl: number;
  /** Mean absolute difference per logit. */
  readonly logit: number;
  /** The share of tokens whose likeliest next token is the same. */
  readonly agreement: number;
}

/** Means over each of `parts` equal parts of a text. `p` and `q` are logits [tokens, vocabulary]. */
export function divergences(p: Float32Array, q: Float32Array, vocabulary: number, parts: number): Divergence[] {
  const tokens = p.length / vocabulary;
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part, part + 1].map((i) => Math.floor((i * tokens) / parts)) as [number, number];
    const each = Array.from({ length: to - from }, (_, i) => {
      const row = (logits: Float32Array) => logits.subarray((from + i) * vocabulary, (from + i + 1) * vocabulary);
      return divergence(row(p), row(q));
    });
    return meanOf(each);
  });
}

export function meanOf(each: readonly Divergence[]): Divergence {
  const mean = (of: keyof Divergence) => each.reduce((sum, one) => sum + one[of], 0) / each.length;
  return { kl: mean("kl"), logit: mean("logit"), agreement: mean("agreement") };
}

/** The divergence of one token's logits. */
function divergence(p: Float32Array, q: Float32Array): Divergence {
  const [a, b] = [logSoftmax(p), logSoftmax(q)];
  let [kl, logit] = [0, 0];
  for (let i = 0; i < p.length; i++) {
    kl += Math.exp(a[i]!) * (a[i]! - b[i]!);
    logit += Math.abs(p[i]! - q[i]!);
  }
  const best = (values: Float64Array) => values.indexOf(values.reduce((x, y) => Math.max(x, y)));
  return { kl: Math.max(0, kl), logit: logit / p.length, agreement: Number(best(a) === best(b)) };
}

function logSoftmax(logits: Float32Array): Float64Array {
  const values = Float64Array.from(logits);
  const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const log = top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return values.map((value) => value - log);
}
