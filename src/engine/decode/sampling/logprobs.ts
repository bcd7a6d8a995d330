import { logSumExp } from "./softmax.ts";

/** A token and its natural log-probability. */
export interface TokenLogprob {
  id: number;
  logprob: number;
}

/** Ids of the `n` highest logits above −Infinity, highest first; ties go to the lower id. For small `n` above 0. */
function highest(logits: Float32Array, n: number): number[] {
  const ids: number[] = [];
  let bar = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! <= bar) continue;
    let place = ids.length;
    while (place > 0 && logits[ids[place - 1]!]! < logits[id]!) place--;
    ids.splice(place, 0, id);
    ids.length = Math.min(ids.length, n);
    if (ids.length === n) bar = logits[ids[n - 1]!]!;
  }
  return ids;
}

/** Log-softmax of `logits` at `id` and at the `n` highest logits: the model's own view, before penalties and temperature, as OpenAI and llama.cpp report it. */
export function logprobs(logits: Float32Array, id: number, n: number): TokenLogprob & { top: TokenLogprob[] } {
  const ids = highest(logits, Math.max(n, 1));
  const total = logSumExp(logits, logits[ids[0]!]!);
  const at = (token: number): TokenLogprob => ({ id: token, logprob: logits[token]! - total });
  return { ...at(id), top: ids.slice(0, n).map(at) };
}
