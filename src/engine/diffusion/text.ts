import { StopStrings, type Tokenizer, TokenStream } from "../../weights/tokenizer/index.ts";
import type { GenerateOptions, Piece } from "../decode/answer/generate.ts";

/** The text of an answer in blocks: it ends at the first end token, or at a stop string. */
export class AnswerText {
  readonly #stream: TokenStream;
  readonly #isEnd: (id: number) => boolean;
  readonly #stops: StopStrings;
  #ended = false;
  /** The number of tokens so far, including the end token. */
  completion = 0;

  constructor(tokenizer: Tokenizer, { continues, stop, end }: Pick<GenerateOptions, "continues" | "stop" | "end">) {
    this.#stream = new TokenStream(tokenizer, continues !== true);
    this.#stops = new StopStrings(stop);
    this.#isEnd = (id) => tokenizer.stopIds.has(id) || id === end;
  }

  push(block: Int32Array): Piece {
    const end = block.findIndex((id) => this.#isEnd(id));
    const ids = [...(end < 0 ? block : block.subarray(0, end + 1))];
    this.#ended = end >= 0;
    this.completion += ids.length;
    const shown = end < 0 ? ids : ids.slice(0, -1);
    const text = this.#stops.push(shown.map((id) => this.#stream.push(id)).join(""));
    return { text, tokens: ids.map((id) => ({ id })) };
  }

  get stopped(): boolean {
    return this.#ended || this.#stops.matched !== undefined;
  }

  flush(): string {
    return this.#stops.flush();
  }
}
