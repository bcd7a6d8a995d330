import { type Candidate, confidentEnough, drawToken, forbid, guided, mostConfident, probabilityOf } from "./choose.ts";
import { type DiffusionOptions, type Schedule, transferCounts } from "./options.ts";

/** A model that computes logits at positions of a sequence. */
export interface Scorer {
  readonly vocabulary: number;
  /**
   * Logits [places, vocabulary] of a sequence; the memory is valid until the next call. `keep` stores the keys and
   * values before a position; `after` reuses them.
   */
  score(ids: Int32Array, places: readonly number[], cache?: CacheUse): Promise<Float32Array>;
}

export type CacheUse = { readonly keep: number } | { readonly after: number };

/** A sequence whose masks are to be filled in. */
export interface Task {
  readonly prompt: readonly number[];
  readonly mask: number;
  /** Tokens that end a text. */
  readonly ends: ReadonlySet<number>;
  readonly temperature: number;
  readonly random: () => number;
}

/** The sequence after a step. */
export interface DenoisingStep {
  /** The index of the block that the step filled. */
  readonly block: number;
  /** True if the block contains no masked token. */
  readonly full: boolean;
  /** The answer's tokens; some may be masks. */
  readonly answer: Int32Array;
  /** The tokens that the step committed; positions are counted from the answer's first token. */
  readonly committed: readonly Candidate[];
}

/**
 * Fills in an answer that begins as all masks, after a prompt, block by block (LLaDA, arXiv 2502.09992, algorithm 5;
 * with a threshold, Fast-dLLM, arXiv 2505.22618, algorithm 1). A committed token never changes.
 */
export async function* denoise(
  scorer: Scorer,
  task: Task,
  schedule: Schedule,
  options: DiffusionOptions,
): AsyncGenerator<DenoisingStep> {
  const { prompt, mask } = task;
  const ids = Int32Array.from([...prompt, ...Array.from({ length: schedule.length }, () => mask)]);
  for (let block = 0; block < schedule.blocks; block++) {
    const first = prompt.length + block * schedule.block;
    const masked = new Set(Array.from({ length: schedule.block }, (_, i) => first + i));
    const counts = transferCounts(schedule.block, schedule.stepsPerBlock);
    for (let step = 0; masked.size > 0; step++) {
      const cache = options.cache ? (step === 0 ? { keep: first } : { after: first }) : undefined;
      const candidates = await candidatesOf(scorer, task, options, ids, [...masked], cache);
      const chosen =
        options.threshold === undefined
          ? mostConfident(candidates, counts[step]!)
          : confidentEnough(candidates, options.threshold);
      for (const { place, token } of chosen) {
        ids[place] = token;
        masked.delete(place);
      }
      const committed = chosen.map((each) => ({ ...each, place: each.place - prompt.length }));
      yield { block, full: masked.size === 0, answer: ids.slice(prompt.length), committed };
    }
  }
}

async function candidatesOf(
  scorer: Scorer,
  { prompt, mask, ends, temperature, random }: Task,
  { guidance, remasking, ends: ending }: DiffusionOptions,
  ids: Int32Array,
  places: readonly number[],
  cache: CacheUse | undefined,
): Promise<Candidate[]> {
  const { vocabulary } = scorer;
  const scores = await scorer.score(ids, places, cache);
  const all = guidance === 0 ? scores : await withGuidance(scores.slice());
  return places.map((place, i) => {
    const logits = all.slice(i * vocabulary, (i + 1) * vocabulary);
    forbid(logits, ending === "never" ? [mask, ...ends] : [mask]);
    const token = drawToken(logits, temperature, random);
    const confidence = remasking === "random" ? random() : probabilityOf(logits, token);
    return { place, token, confidence: ending === "last" && ends.has(token) ? confidence - 1 : confidence };
  });

  async function withGuidance(conditional: Float32Array): Promise<Float32Array> {
    const blind = ids.slice().fill(mask, 0, prompt.length);
    return guided(conditional, await scorer.score(blind, places), guidance);
  }
}
