import type { Model } from "./encoder.ts";
import { Merger } from "./merger.ts";
import type { Merges } from "./merges.ts";

export interface BpeOptions {
  ids: ReadonlyMap<string, number>;
  merges: Merges;
  /** The token for characters missing from the vocabulary; if absent, they are dropped. */
  unk?: number | undefined;
  /** True if consecutive missing characters become one `unk`. */
  fuseUnk?: boolean | undefined;
  /** True to write a missing character as its bytes, `<0xE2>` and so on. */
  byteFallback?: boolean | undefined;
  /** If true, a word that is itself a token is not split, regardless of merges. */
  ignoreMerges?: boolean | undefined;
  /** The prefix of every character of a word except the first. */
  prefix?: string | undefined;
  /** The suffix of a word's last character. */
  suffix?: string | undefined;
}

const CACHED = { words: 20_000, length: 64 };
const utf8 = new TextEncoder();

/**
 * Byte-pair encoding: merges the two neighbouring parts of a word with the lowest rank, until no pair merges (as in
 * Hugging Face's tokenizers).
 */
export class Bpe implements Model {
  private readonly cache = new Map<string, readonly number[]>();
  private readonly bytes: readonly (number | undefined)[];
  private readonly merger: Merger;

  constructor(private readonly options: BpeOptions) {
    this.merger = new Merger(options.merges);
    const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    this.bytes = options.byteFallback ? Array.from({ length: 256 }, (_, byte) => options.ids.get(name(byte))) : [];
  }

  encode(word: string, into: number[]): void {
    const whole = this.options.ignoreMerges ? this.options.ids.get(word) : undefined;
    if (whole !== undefined) into.push(whole);
    else for (const id of word.length > CACHED.length ? this.merged(word) : this.cached(word)) into.push(id);
  }

  private cached(word: string): readonly number[] {
    const found = this.cache.get(word);
    if (found !== undefined) return found;
    const ids = this.merged(word);
    if (this.cache.size >= CACHED.words) this.cache.clear();
    this.cache.set(word, ids);
    return ids;
  }

  private merged(word: string): number[] {
    const ids = this.characters(word);
    return ids.length < 2 ? ids : this.merger.merge(ids);
  }

  private characters(word: string): number[] {
    const { ids, prefix, suffix } = this.options;
    const found: number[] = [];
    for (let at = 0; at < word.length; ) {
      const bare = word.codePointAt(at)! > 0xffff ? word.slice(at, at + 2) : word[at]!;
      const start = at > 0 && prefix ? prefix + bare : bare;
      at += bare.length;
      const character = at === word.length && suffix ? start + suffix : start;
      const id = ids.get(character);
      if (id === undefined) this.unknown(character, found);
      else found.push(id);
    }
    return found;
  }

  private unknown(character: string, found: number[]): void {
    const { byteFallback, unk, fuseUnk } = this.options;
    if (byteFallback) {
      const bytes = Array.from(utf8.encode(character), (byte) => this.bytes[byte]);
      if (bytes.every((id) => id !== undefined)) return void found.push(...bytes);
    }
    if (unk !== undefined && !(fuseUnk && found.at(-1) === unk)) found.push(unk);
  }
}
