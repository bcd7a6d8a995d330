import type { Model } from "./encoder.ts";

export interface UnigramOptions {
  ids: ReadonlyMap<string, number>;
  /** The log probability of each token. */
  scores: ArrayLike<number>;
  unk: number | undefined;
  byteFallback: boolean;
}

/** An unknown character's penalty relative to the least likely token (`K_UNK_PENALTY` in Hugging Face's tokenizers). */
const PENALTY = 10;
const utf8 = new TextEncoder();

/** Unigram: the most likely way to write a word in tokens (Viterbi); consecutive characters outside the vocabulary become one unknown token. */
export class Unigram implements Model {
  private readonly longest: number;
  private readonly unkScore: number;

  constructor(private readonly options: UnigramOptions) {
    let longest = 1;
    for (const token of options.ids.keys()) longest = Math.max(longest, token.length);
    this.longest = longest;
    this.unkScore = Array.from(options.scores).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY) - PENALTY;
  }

  encode(word: string, into: number[]): void {
    const { ends, ids } = this.lattice(word);
    const path: { start: number; end: number; id: number }[] = [];
    for (let end = word.length; end > 0; end = ends[end]!) path.push({ start: ends[end]!, end, id: ids[end]! });
    let unknown = "";
    for (const { start, end, id } of path.reverse()) {
      if (id === this.options.unk) unknown += word.slice(start, end);
      else {
        this.unknown(unknown, into);
        unknown = "";
        into.push(id);
      }
    }
    this.unknown(unknown, into);
  }

  /** For every position in the word, the start and the id of the last token on the best path to it. */
  private lattice(word: string): { ends: Int32Array; ids: Int32Array } {
    const best = new Float64Array(word.length + 1).fill(Number.NaN);
    const ends = new Int32Array(word.length + 1);
    const ids = new Int32Array(word.length + 1);
    best[0] = 0;
    const offer = (start: number, end: number, id: number, score: number) => {
      if (best[end]! >= best[start]! + score) return;
      best[end] = best[start]! + score;
      ends[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < word.length; start++) {
      if (Number.isNaN(best[start]!)) continue;
      const single = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let hasSingle = false;
      for (let end = start + single; end <= Math.min(word.length, start + this.longest); end++) {
        const id = this.options.ids.get(word.slice(start, end));
        if (id === undefined) continue;
        hasSingle ||= end === start + single;
        offer(start, end, id, this.options.scores[id]!);
      }
      if (!hasSingle) offer(start, start + single, this.options.unk ?? -1, this.unkScore);
    }
    return { ends, ids };
  }

  private unknown(text: string, into: number[]): void {
    if (text === "") return;
    const { ids, unk, byteFallback } = this.options;
    const whole = ids.get(text);
    if (whole !== undefined) return void into.push(whole);
    const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    const bytes = byteFallback ? Array.from(utf8.encode(text), (byte) => ids.get(name(byte))) : [undefined];
    if (bytes.every((id) => id !== undefined)) into.push(...bytes);
    else if (unk !== undefined) into.push(unk);
  }
}
