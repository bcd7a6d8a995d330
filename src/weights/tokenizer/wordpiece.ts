import type { Model } from "./encoder.ts";

export interface WordPieceOptions {
  ids: ReadonlyMap<string, number>;
  unk: number;
  /** The prefix of every piece of a word except the first. */
  prefix: string;
  /** The maximum length in characters; a longer word becomes unknown. */
  longest: number;
}

/** BERT's WordPiece: always takes the longest token that continues the word; words without a full split are unknown. */
export class WordPiece implements Model {
  private readonly longestToken: number;

  constructor(private readonly options: WordPieceOptions) {
    let longest = 0;
    for (const token of options.ids.keys()) longest = Math.max(longest, token.length);
    this.longestToken = longest;
  }

  encode(word: string, into: number[]): void {
    const { longest, unk } = this.options;
    const pieces = word.length > longest && Array.from(word).length > longest ? undefined : this.pieces(word);
    if (pieces === undefined) into.push(unk);
    else into.push(...pieces);
  }

  private pieces(word: string): number[] | undefined {
    const { ids, prefix } = this.options;
    const found: number[] = [];
    for (let start = 0; start < word.length; ) {
      let end = Math.min(word.length, start + this.longestToken);
      let id: number | undefined;
      for (; end > start; end--) {
        const piece = word.slice(start, end);
        id = ids.get(start > 0 ? prefix + piece : piece);
        if (id !== undefined) break;
      }
      if (id === undefined) return undefined;
      found.push(id);
      start = end;
    }
    return found;
  }
}
