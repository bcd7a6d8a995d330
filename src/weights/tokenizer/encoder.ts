import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import type { PreTokenizer } from "./pretokenizer.ts";

/** The part of the library in use; its own declarations do not resolve in an ES module. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  model: {
    tokens_to_ids: Map<string, number>;
    bpe_ranks: Map<string, number>;
    add_node(queue: { push(piece: Piece): unknown }, piece: Piece): void;
  };
}

/** A piece of a word that may be merged with the next one; the least `score` first. */
interface Piece {
  token: string;
  /** Place in the word, in [0, 1): of two equal merges the left one comes first. */
  bias: number;
  score?: number;
  next: Piece;
}

export interface AddedToken {
  id: number;
  content: string;
}

export interface Encoder {
  encode(text: string): number[];
  /** The id of a token by its text in the vocabulary. */
  id(token: string): number | undefined;
}

/**
 * The library's tokenizer over a GGUF's lists as they are. Given them, it would make an object of 50,000 keys and write each merge as JSON, 150 ms of
 * a cold start; so it is built empty, and finds a merge's rank under the merge's own text: 20 ms, and encoding is faster too.
 */
export function encoder(
  tokens: readonly string[],
  merges: readonly string[],
  { normalizer, pre_tokenizer, ignore_merges }: PreTokenizer,
  added: readonly AddedToken[],
): Encoder {
  const model = { type: "BPE", vocab: {}, merges: [], ignore_merges };
  const added_tokens = added.map((token) => ({ ...token, normalized: false }));
  const json = { normalizer, pre_tokenizer, model, post_processor: null, decoder: null, added_tokens };
  const library: Library = new HuggingFaceTokenizer(json, {});
  const ids = ranked(tokens);
  library.model.tokens_to_ids = ids;
  const ranks = ranked(merges);
  library.model.bpe_ranks = ranks;
  library.model.add_node = (queue, piece) => {
    const rank = ranks.get(`${piece.token} ${piece.next.token}`);
    if (rank === undefined) return;
    piece.score = rank + piece.bias;
    queue.push(piece);
  };
  return { encode: (text) => library.encode(text, { add_special_tokens: false }).ids, id: (token) => ids.get(token) };
}

function ranked(texts: readonly string[]): Map<string, number> {
  const ranks = new Map<string, number>();
  for (let i = 0; i < texts.length; i++) ranks.set(texts[i]!, i);
  return ranks;
}
