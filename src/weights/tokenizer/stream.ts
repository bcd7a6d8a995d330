import { utf8Decoder } from "./alphabet.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Converts tokens to text as they arrive. Holds back a character whose bytes span several tokens until it is complete;
 * hides special tokens.
 */
export class TokenStream {
  private readonly utf8 = utf8Decoder();

  /** `first` is true if the tokens begin a text; `shown` are special tokens to show as text. */
  constructor(
    private readonly tokenizer: Tokenizer,
    private first = true,
    private readonly shown?: ReadonlySet<number>,
  ) {}

  /**
   * Returns the text that `id` completes, often empty. These texts and the result of `flush()`, joined, equal
   * `tokenizer.decode` of the ids.
   */
  push(id: number): string {
    if (this.tokenizer.isSpecial(id) && !this.shown?.has(id)) return "";
    const bytes = this.tokenizer.bytes(id, this.first);
    this.first = false;
    return this.utf8.decode(bytes, { stream: true });
  }

  /** Returns the text that remains at the end: U+FFFD for an incomplete character, else nothing. */
  flush(): string {
    return this.utf8.decode();
  }
}
