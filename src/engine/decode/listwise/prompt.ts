import { UserError } from "../../../util/errors.ts";
import { chatSegments, type Segment, type Tokenizer } from "../../../weights/tokenizer/index.ts";
import { instructedChat } from "../instructed-chat.ts";
import { letterOf } from "./letters.ts";
import { oneLine } from "./text.ts";

export const SYSTEM = "You are a search assistant that ranks passages by how relevant they are to a query.";

/** The layout of castorini/rank_llm's alphabetical prompts, reworded; each passage is on one line. */
export function question(query: string, passages: readonly string[]): string {
  const { length } = passages;
  return [
    `Here are ${length} passages, each marked with an alphabetical identifier in square brackets. Rank them by their relevance to the query: "${query}".`,
    passages.map((passage, place) => `[${letterOf(place)}] ${passage}`).join("\n"),
    task(query, length),
  ].join("\n\n");
}

/** The request to rank the passages shown before it. */
export const task = (query: string, passages: number): string =>
  `Query: "${query}".\nRank all ${passages} passages above, the most relevant first. Answer with their alphabetical identifiers in the form [] > [], such as [B] > [A]. Write the ranking alone, without a word of explanation.`;

/** The answer that states this order, including the bracket at the prompt's end. */
export const answerOf = (order: readonly number[]): string => order.map((place) => `[${letterOf(place)}]`).join(" > ");

/** The maximum number of words per passage, and of tokens per prompt. */
interface Limits {
  readonly maxPassageWords: number;
  readonly contextSize: number;
}

/** Writes prompts for one model, with its chat template, if any. */
export class Prompts {
  readonly #segments: (content: string) => readonly Segment[];

  constructor(private readonly tokenizer: Tokenizer) {
    this.#segments = tokenizer.chatTemplate === undefined ? asText : asChat(tokenizer);
  }

  /** Ids of a prompt that ends with `answer`: by default the bracket before the first letter. */
  ids(query: string, passages: readonly string[], answer = "["): number[] {
    return this.#encode(question(query, passages), answer);
  }

  /**
   * Ids of a prompt of at most `contextSize` − `reserved` tokens, and the remaining words per passage.
   * @throws UserError if not even the query fits
   */
  fitted(
    query: string,
    passages: readonly string[],
    { maxPassageWords, contextSize }: Limits,
    reserved: number,
  ): { ids: number[]; words: number } {
    const line = oneLine(query);
    for (let words = maxPassageWords; words > 0; ) {
      const ids = this.ids(
        line,
        passages.map((passage) => oneLine(passage, words)),
      );
      const over = ids.length + reserved - contextSize;
      if (over <= 0) return { ids, words };
      words -= Math.max(1, Math.floor(over / (4 * passages.length)));
    }
    throw new UserError(
      `the query and ${passages.length} one-word passages take more than ${contextSize} tokens; expected a shorter query, or a smaller windowSize`,
      2,
    );
  }

  /** The number of tokens in a complete answer that ranks `count` passages, after the prompt's bracket. */
  answerTokens(count: number): number {
    const order = Array.from({ length: count }, (_, place) => place);
    return this.#encode("", answerOf(order)).length - this.#encode("", "[").length;
  }

  /** Token ids of each letter after a prompt. @throws UserError if a letter merges with its brackets */
  letterIds(count: number): number[] {
    const open = this.#encode("", "[");
    return Array.from({ length: count }, (_, place) => {
      const ids = this.#encode("", `[${letterOf(place)}]`);
      const alone = this.#encode("", `[${letterOf(place)}`);
      const apart = ids.length > alone.length && alone.length === open.length + 1;
      if (apart && alone.every((id, i) => id === ids[i]) && open.every((id, i) => id === ids[i])) return alone.at(-1)!;
      throw new UserError(
        `${this.tokenizer.path}: the letter in "[${letterOf(place)}]" is not a token of its own; "first" ranks by letters`,
      );
    });
  }

  #encode(content: string, answer: string): number[] {
    const segments = this.#segments(content);
    const last = segments.at(-1);
    const joined = last && !last.special ? [...segments.slice(0, -1), plain(last.text + answer)] : undefined;
    const { bos, addBos, chatTemplate } = this.tokenizer;
    // A chat template adds the begin token itself.
    const begin = chatTemplate === undefined && addBos && bos !== undefined ? [bos] : [];
    return [...begin, ...this.tokenizer.encodeSegments(joined ?? [...segments, plain(answer)])];
  }
}

const plain = (text: string): Segment => ({ text, special: false });

const asText = (content: string): Segment[] => [plain(`${SYSTEM}\n\n${content}\n\n`)];

function asChat(tokenizer: Tokenizer): (content: string) => Segment[] {
  const turns = { addGenerationPrompt: true, variables: { enable_thinking: false } };
  const messages = instructedChat(tokenizer, SYSTEM);
  return (content) => chatSegments(tokenizer, messages(content), turns);
}
