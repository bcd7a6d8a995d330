import { type Frame, framed, type Input } from "./frame.ts";
import { ggufParts } from "./gguf-parts.ts";
import type { Parts, Templates } from "./parts.ts";
import { type Segment, strip, tokenTexts } from "./segments.ts";
import type { TokenizerSource } from "./source.ts";
import { type Fim, fimNamed } from "./special.ts";
import { TokenStream } from "./stream.ts";

const utf8 = new TextEncoder();

/** Converts text to token ids and back, with exactly the same ids as transformers. */
export class Tokenizer {
  /** The path that names the model's file in errors. */
  readonly path: string;
  readonly vocabSize: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly pad: number | undefined;
  readonly unk: number | undefined;
  readonly mask: number | undefined;
  /** Ids that end an answer: end of text, of turn, of message. */
  readonly stopIds: ReadonlySet<number>;
  /** Texts of the tokens that only a template may add. */
  readonly specialTokens: readonly string[];
  readonly templates: Templates;

  private readonly parts: Parts;
  private readonly frame: Frame;
  private readonly specialIds: ReadonlyMap<string, number>;

  /** @throws UserError for an unsupported kind or pre-tokenizer, and for ids outside the vocabulary */
  constructor(source: TokenizerSource | Parts) {
    const parts = "encoder" in source ? source : ggufParts(source);
    this.parts = parts;
    this.path = parts.path;
    this.vocabSize = parts.tokens.length;
    this.bos = parts.bos;
    this.eos = parts.eos;
    this.pad = parts.pad;
    this.unk = parts.unk;
    this.mask = parts.mask;
    this.frame = parts.frame;
    this.templates = parts.templates;
    this.stopIds = parts.stopIds;
    const named = Array.from(parts.special, (id) => [parts.tokens[id]!, id] as const);
    this.specialIds = new Map(named.filter(([text]) => text !== ""));
    this.specialTokens = Array.from(this.specialIds.keys());
  }

  /** True if a plain prompt begins with `bos`. Callers of `encode` add `bos`; `input` includes it. */
  get addBos(): boolean {
    const [first] = this.frame.single;
    return this.bos !== undefined && first !== undefined && "id" in first && first.id === this.bos;
  }

  /** The id of a special token; undefined if no special token has this text. */
  specialId(text: string): number | undefined {
    return this.specialIds.get(text);
  }

  /** The id of any token by its vocabulary text; undefined if no token has it. */
  tokenId(text: string): number | undefined {
    const id = this.parts.tokens.indexOf(text);
    return id < 0 ? undefined : id;
  }

  /** Undefined for models without fill-in-the-middle. */
  get fim(): Fim | undefined {
    return this.parts.fim ?? fimNamed(this.parts.tokens);
  }

  /** Jinja source. */
  get chatTemplate(): string | undefined {
    return this.templates.chat;
  }

  /**
   * Encodes `text`. Special tokens in the text count as plain text, unless `special` says that a template wrote it. As
   * in transformers, bytes that the vocabulary lacks are skipped (SmolLM2's has no U+0004); a lone surrogate counts as
   * U+FFFD.
   */
  encode(text: string, { special = false }: { special?: boolean } = {}): number[] {
    return special
      ? this.encodeSegments(tokenTexts(this.specialTokens).split(text))
      : this.parts.encoder.encode(text, true);
  }

  encodeSegments(segments: readonly Segment[]): number[] {
    return this.encodePieces(segments).flat();
  }

  /** The ids of each segment; no token spans two segments. */
  encodePieces(segments: readonly Segment[]): number[][] {
    return strip(segments, this.parts.strips).map(({ text, special }, i) =>
      special ? [this.specialIds.get(text)!] : this.parts.encoder.encode(text, i === 0),
    );
  }

  /**
   * The model's input for `text`, or for two texts: their ids with the tokens that the file puts around them, such as
   * `[CLS]` and `[SEP]` or `bos`. At most `limit` ids; excess is cut at the end, from the longer text first.
   */
  input(text: string, { pair, limit = Number.POSITIVE_INFINITY }: { pair?: string; limit?: number } = {}): Input {
    const second = pair === undefined ? undefined : this.encode(pair);
    return framed(this.frame, this.encode(text), second, limit);
  }

  /** The text of `ids`: without special tokens, and with invalid UTF-8 shown as U+FFFD. */
  decode(ids: readonly number[]): string {
    const stream = new TokenStream(this);
    return ids.map((id) => stream.push(id)).join("") + stream.flush();
  }

  /** A token's bytes, which may be incomplete characters; some tokens' bytes differ at a text's start (`first`). */
  bytes(id: number, first = false): Uint8Array {
    // Some ids have no text: their rows only pad a model's table to a round size.
    if (id >= this.vocabSize) return new Uint8Array();
    const shown = this.parts.detokenizer(this.text(id), first);
    return typeof shown === "string" ? utf8.encode(shown) : shown;
  }

  /** A token's vocabulary text: for a special token, its name in templates. */
  text(id: number): string {
    const token = this.parts.tokens[id];
    if (token === undefined) throw new RangeError(`token ${id} is outside the vocabulary of ${this.vocabSize} tokens`);
    return token;
  }

  isSpecial(id: number): boolean {
    return this.parts.special.has(id);
  }
}
