import { utf8Decoder } from "./alphabet.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The text of tokens as they arrive. A character whose bytes span several tokens is held back until complete; special
 * tokens are not shown.
 */
export class TokenStream {
  private readonly utf8 = utf8Decoder();

  /** `first`: the tokens begin a text, rather than continue one. `shown`: special tokens to show as text. */
  constructor(
    private readonly tokenizer: Tokenizer,
    private first = true,
    private readonly shown?: ReadonlySet<number>,
  ) {}

  /**
   * Returns the text that `id` completes, often empty. Joined, these texts and that of `flush()` equal
   * `tokenizer.decode` of the ids.
   */
  push(id: number): string {
    if (this.tokenizer.isSpecial(id) && !this.shown?.has(id)) return "";
    const bytes = this.tokenizer.bytes(id, this.first);
    this.first = false;
    return this.utf8.decode(bytes, { stream: true });
  }

  /** Returns the rest at the end: U+FFFD for an incomplete character. */
  flush(): string {
    return this.utf8.decode();
  }
}
