import { z } from "zod";
import { type Decoder, hasRecurrent } from "../../../models/decoder/decoder.ts";
import { UserError } from "../../../util/errors.ts";
import { integer, integerBetween } from "../../option-schemas.ts";
import type { Drafter } from "../../plan.ts";
import type { Saving } from "../../saving.ts";

const options = z.strictObject({
  match: integer(1, 3).describe("last tokens to find earlier in the text; the tokens after them are the draft"),
  // Each draft length needs its own compiled programs, so clients may not choose arbitrary lengths.
  tokens: integerBetween(0, 16, 8).describe("maximum number of tokens per draft; 0 is dense"),
});
export type LookupOptions = z.infer<typeof options>;

/** The reason a model's drafts cannot be rolled back; undefined if they can be. */
export function unsupportedDrafts({ config }: Decoder): string | undefined {
  if (hasRecurrent(config)) return "recurrent layers, whose states cannot be rolled back";
  return config.longRopeBeyond === undefined ? undefined : "rotary factors that depend on the text's length";
}

/**
 * Prompt lookup (Saxena 2023; Yang et al., arXiv 2304.04487): if the last tokens occurred before, the tokens after
 * that occurrence are a draft, which the model checks in one pass. The text equals a dense run's.
 */
export const lookup: Saving<LookupOptions> = {
  name: "lookup",
  group: "tokens",
  summary: "draft tokens from earlier text, and check them in one pass",
  needs: ["tokens in"],
  options,
  unsupported: unsupportedDrafts,
  seams: () => ["the steps of an answer"],
  settings: () => ["match=4", "match=3", "match=2"],
  async check(_, { decoder }) {
    const why = unsupportedDrafts(decoder);
    if (why !== undefined) throw new UserError(`lookup does not support this model: it has ${why}`, 2);
  },
  async prepare(options, host) {
    await lookup.check(options, host);
    if (options.tokens === 0) return undefined;
    return { plan: () => ({ drafter: new LookupDrafter(options) }), [Symbol.dispose]() {} };
  },
};

/** The draft length after a draft whose first token was wrong. */
const CAUTIOUS = 2;
/** The maximum number of chances to draft that are skipped after a wrong draft. */
const LONGEST_PAUSE = 32;

/** Powers of two up to a number, and the number itself: the check of each length is a separate program. */
const lengthsUpTo = (most: number): number[] => [
  ...Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i),
  most,
];

/**
 * Drafts from the text so far. A wrong draft costs part of a step, so drafts grow while they are correct, and more and
 * more chances to draft are skipped while they are wrong.
 */
export class LookupDrafter implements Drafter {
  readonly lengths: readonly number[];
  readonly #seen: TextIndex;
  #length = CAUTIOUS;
  /** The number of chances to draft still to skip, and the number to skip after the next wrong draft. */
  #pause = { left: 0, next: 1 };

  constructor(private readonly options: LookupOptions) {
    this.#seen = new TextIndex(options.match);
    this.lengths = lengthsUpTo(options.tokens);
  }

  draft(tokens: readonly number[], next: number, most: number): readonly number[] {
    const text = [...tokens, next];
    const place = this.#seen.after(text);
    if (place === undefined || this.#pause.left-- > 0) return [];
    const draft = text.slice(place, place + Math.min(most, this.#length));
    // Ids below 0 are image rows, which cannot occur in an answer.
    const image = draft.findIndex((id) => id < 0);
    const textLength = image < 0 ? draft.length : image;
    return draft.slice(0, this.lengths.findLast((length) => length <= textLength) ?? 0);
  }

  judge(right: number): void {
    if (right === 0) {
      this.#length = CAUTIOUS;
      this.#pause = { left: this.#pause.next, next: Math.min(LONGEST_PAUSE, 2 * this.#pause.next) };
      return;
    }
    this.#length = Math.min(this.options.tokens, right >= this.#length ? 2 * this.#length : right + 1);
    this.#pause = { left: 0, next: 1 };
  }
}

/** Finds tokens of a text by the tokens right before them. */
export class TextIndex {
  /** For each sequence of tokens, the index after its latest occurrence. */
  readonly #places = new Map<string, number>();
  #noted = 0;

  /** `match`: the number of tokens that must match. */
  constructor(private readonly match: number) {}

  /**
   * The index in `tokens` after the previous occurrence of their last `match` tokens, if any. Each call's tokens begin
   * with the previous call's.
   */
  after(tokens: readonly number[]): number | undefined {
    // The last tokens are looked up before they are recorded, so that they do not match themselves.
    for (let end = Math.max(this.#noted, this.match); end < tokens.length; end++)
      this.#places.set(this.#key(tokens, end), end);
    this.#noted = tokens.length;
    return tokens.length < this.match ? undefined : this.#places.get(this.#key(tokens, tokens.length));
  }

  #key(tokens: readonly number[], end: number): string {
    return tokens.slice(end - this.match, end).join(" ");
  }
}
