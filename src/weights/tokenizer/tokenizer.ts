import { UserError } from "../../util/errors.ts";
import { bytesOfToken, utf8Decoder } from "./alphabet.ts";
import { type Encoder, encoder } from "./encoder.ts";
import { preTokenizerOf } from "./pretokenizer.ts";
import { type Segment, splitAt } from "./segments.ts";
import { type TokenizerSource, TokenType } from "./source.ts";
import { checkIds, idsOfType, specialIds, stopIds } from "./special.ts";

/** Text to token ids and back, id by id as transformers does it. */
export class Tokenizer {
  /** Names the model's file in errors. */
  readonly path: string;
  readonly vocabSize: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly pad: number | undefined;
  readonly unk: number | undefined;
  /** Whether a prompt that is no chat begins with `bos`, which is left to the caller. */
  readonly addBos: boolean;
  /** Ids that end an answer: end of text, of turn, of message. */
  readonly stopIds: ReadonlySet<number>;
  /** Texts of the tokens that only a template may write. */
  readonly specialTokens: readonly string[];
  /** Jinja source. */
  readonly chatTemplate: string | undefined;

  private readonly tokens: readonly string[];
  private readonly special: ReadonlySet<number>;
  private readonly encoder: Encoder;

  /** Throws a `UserError` for a kind or a pre-tokenizer that is not supported, and for ids outside the vocabulary. */
  constructor(source: TokenizerSource) {
    const { path, tokens } = source;
    this.encoder = encoderOf(source);
    checkIds(source);
    this.path = path;
    this.vocabSize = tokens.length;
    this.bos = source.bos;
    this.eos = source.eos;
    this.pad = source.pad;
    this.unk = source.unk;
    this.addBos = source.addBos ?? false;
    this.chatTemplate = source.chatTemplate;
    this.tokens = tokens;
    this.special = specialIds(source);
    this.specialTokens = Array.from(this.special, (id) => tokens[id]!).filter((token) => token !== "");
    this.stopIds = stopIds(source, this.special);
  }

  /**
   * Ids of `text`. Special tokens in it are plain text, unless `special` says that a template wrote it.
   * As in transformers, a byte that the vocabulary lacks (SmolLM2's has no U+0004, for one) is left out; a lone surrogate counts as U+FFFD.
   */
  encode(text: string, { special = false }: { special?: boolean } = {}): number[] {
    return special ? this.encodeSegments(splitAt(text, this.specialTokens)) : this.encoder.encode(text);
  }

  encodeSegments(segments: readonly Segment[]): number[] {
    return segments.flatMap(({ text, special }) => (special ? [this.encoder.id(text)!] : this.encoder.encode(text)));
  }

  /** The text of `ids`: special tokens left out, bytes that are no UTF-8 shown as U+FFFD. */
  decode(ids: readonly number[]): string {
    const shown = ids.filter((id) => !this.isSpecial(id));
    return utf8Decoder().decode(Buffer.concat(shown.map((id) => this.bytes(id))));
  }

  /** The bytes that a token stands for, a special one too; they need not be whole characters. */
  bytes(id: number): Uint8Array {
    return bytesOfToken(this.text(id));
  }

  /** A token as the vocabulary writes it: for a special token, what templates call it. */
  text(id: number): string {
    const token = this.tokens[id];
    if (token === undefined) throw new RangeError(`token ${id} is outside the vocabulary of ${this.vocabSize} tokens`);
    return token;
  }

  isSpecial(id: number): boolean {
    return this.special.has(id);
  }
}

function encoderOf(source: TokenizerSource): Encoder {
  const { path, model, tokens, merges } = source;
  if (model !== "gpt2") {
    throw new UserError(
      `${path}: tokenizers of kind "${model}" (tokenizer.ggml.model) are not supported, expected "gpt2"`,
    );
  }
  const pre = preTokenizerOf(source);
  if (merges === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.merges" is missing`);
  const added = idsOfType(source, TokenType.userDefined).map((id) => ({ id, content: tokens[id]! }));
  return encoder(tokens, merges, pre, added);
}
