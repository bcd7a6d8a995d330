import type { Spent } from "../../../graph/index.ts";
import { bytesPerElement } from "../../../graph/tensor.ts";
import { UserError } from "../../../util/errors.ts";
import type { Input, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { checkTokens, documentName, limitOf, type Truncate } from "../../truncate.ts";
import type { LateSettings } from "./late-files.ts";

/** Compares texts by the vectors of their tokens: each query token with the most similar document token. */
export class LateInteraction {
  readonly #query: number;
  readonly #document: number;
  readonly #skipped: ReadonlySet<number>;

  /** @throws UserError if the tokenizer lacks a marker, or the mask token that pads queries */
  constructor(
    private readonly settings: LateSettings,
    private readonly tokenizer: Tokenizer,
    /** The length of a token's vector. */
    private readonly width: number,
  ) {
    const { query, document } = settings;
    this.#query = this.#idOf(query.marker);
    this.#document = this.#idOf(document.marker);
    this.#skipped = new Set(document.skipped.flatMap((text) => tokenizer.encode(text)[0] ?? []));
    if (query.expanded && tokenizer.mask === undefined)
      throw new UserError("the tokenizer has no mask token to pad queries");
  }

  /** A query, padded with mask tokens, and documents. @throws TextTooLong if an uncut document is too long */
  inputs(query: string, documents: readonly string[], truncate?: Truncate): Input[] {
    return [
      this.#queryInput(query),
      ...documents.map((text, i) => this.#documentInput(text, documentName(i), truncate)),
    ];
  }

  /** The sum, over the query's tokens, of the greatest cosine with a document token. */
  score(query: Float32Array, document: Float32Array, input: Input): number {
    const places = this.#compared(input);
    let sum = 0;
    for (let q = 0; q < query.length; q += this.width) {
      let best = Number.NEGATIVE_INFINITY;
      for (const at of places) best = Math.max(best, this.#dot(query, q, document, at * this.width));
      sum += best;
    }
    return sum;
  }

  /** The cost of these scores: one product per query token and compared document token. */
  cost(query: Input, documents: readonly Input[]): Spent {
    const compared = documents.reduce((sum, document) => sum + this.#compared(document).length, 0);
    const bytes = bytesPerElement.f32 * this.width * (documents.length * query.ids.length + compared);
    return { flops: 2 * this.width * query.ids.length * compared, bytes };
  }

  /** The indices of the document's compared tokens. */
  #compared({ ids }: Input): number[] {
    return ids.flatMap((id, at) => (this.#skipped.has(id) ? [] : [at]));
  }

  #dot(a: Float32Array, from: number, b: Float32Array, to: number): number {
    let sum = 0;
    for (let i = 0; i < this.width; i++) sum += a[from + i]! * b[to + i]!;
    return sum;
  }

  #queryInput(text: string): Input {
    const { tokens, expanded, seen } = this.settings.query;
    const ids = this.#marked(text, this.#query, tokens);
    if (!expanded) return { ids, types: ids.map(() => 0) };
    const filled = [...ids, ...new Array<number>(tokens - ids.length).fill(this.tokenizer.mask!)];
    return { ids: filled, types: filled.map(() => 0), ...(!seen && { seen: ids.length }) };
  }

  #documentInput(text: string, name: string, truncate?: Truncate): Input {
    const { tokens } = this.settings.document;
    const ids = this.#marked(text, this.#document, limitOf(truncate, tokens));
    checkTokens(ids.length, tokens, name);
    return { ids, types: ids.map(() => 0) };
  }

  /** A text's ids, at most `most` of them, with a marker after the first. */
  #marked(text: string, marker: number, most: number): number[] {
    const [first = marker, ...others] = this.tokenizer.input(text, { limit: Math.max(3, most) - 1 }).ids;
    return [first, marker, ...others];
  }

  #idOf(marker: string): number {
    const id = this.tokenizer.tokenId(marker);
    if (id !== undefined) return id;
    throw new UserError(`the tokenizer has no token "${marker}", which marks a text's kind`);
  }
}
