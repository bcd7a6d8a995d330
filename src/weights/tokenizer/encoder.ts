import type { Normalizer } from "./normalizer.ts";
import type { PreTokenizer } from "./pretokenizer.ts";
import { type Segment, type Strip, strip, TokenTexts } from "./segments.ts";

/** The last step of encoding: from words to ids. */
export interface Model {
  /** Appends the ids of one word. */
  encode(word: string, into: number[]): void;
}

/** A token found verbatim in any text before the model runs. */
export interface AddedToken {
  id: number;
  content: string;
  /** True to search for the token in the normalised text, by its normalised content. */
  normalized?: boolean;
  strip?: Strip;
}

export interface Pipeline {
  added: readonly AddedToken[];
  normalizer?: Normalizer | undefined;
  preTokenizer?: PreTokenizer | undefined;
  model: Model;
}

/** Converts a text to ids in the steps of Hugging Face's tokenizers: added tokens, normalizer, pre-tokenizer, model. */
export class Encoder {
  private readonly raw: Finder;
  private readonly normalized: Finder;

  constructor(private readonly pipeline: Pipeline) {
    const { added, normalizer } = pipeline;
    const content = (token: AddedToken) => (normalizer && token.normalized ? normalizer(token.content) : token.content);
    const after = (token: AddedToken) => token.normalized === true && normalizer !== undefined;
    this.raw = new Finder(added.filter((token) => !after(token)));
    this.normalized = new Finder(added.filter(after).map((token) => ({ ...token, content: content(token) })));
  }

  /** Encodes `text`. `first` is true if it begins the entire text; some vocabularies then add a space before it. */
  encode(text: string, first: boolean): number[] {
    const into: number[] = [];
    let start = first;
    for (const segment of this.raw.split(text.replace(/\p{Cs}/gu, "\ufffd"))) {
      if (segment.special) into.push(this.raw.id(segment.text));
      else this.section(this.pipeline.normalizer?.(segment.text) ?? segment.text, start, into);
      start = false;
    }
    return into;
  }

  private section(text: string, first: boolean, into: number[]): void {
    const { preTokenizer, model } = this.pipeline;
    let start = first;
    for (const segment of this.normalized.split(text)) {
      if (segment.special) into.push(this.normalized.id(segment.text));
      else if (preTokenizer === undefined) model.encode(segment.text, into);
      else for (const word of preTokenizer(segment.text, start)) model.encode(word, into);
      start = false;
    }
  }
}

class Finder {
  private readonly texts: TokenTexts | undefined;
  private readonly ids: ReadonlyMap<string, number>;
  private readonly strips: ReadonlyMap<string, Strip>;

  constructor(tokens: readonly AddedToken[]) {
    this.ids = new Map(tokens.map(({ content, id }) => [content, id]));
    this.strips = new Map(tokens.flatMap(({ content, strip }) => (strip === undefined ? [] : [[content, strip]])));
    if (tokens.length > 0) this.texts = new TokenTexts(Array.from(this.ids.keys()));
  }

  id = (content: string): number => this.ids.get(content)!;

  split(text: string): readonly Segment[] {
    if (text === "") return [];
    if (this.texts === undefined) return [{ text, special: false }];
    return strip(this.texts.split(text), this.strips).filter((segment) => segment.text !== "");
  }
}
