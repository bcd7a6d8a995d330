import type { Detokenizer } from "./detokenizer.ts";
import type { Encoder } from "./encoder.ts";
import type { Frame } from "./frame.ts";
import type { Strip } from "./segments.ts";
import type { Fim } from "./special.ts";

/** Chat templates as Jinja source. */
export interface Templates {
  chat?: string | undefined;
  /** The template for chats with tools, if it differs. */
  tools?: string | undefined;
}

/** The parts of a tokenizer, from any file format. */
export interface Parts {
  /** The path that names the file in every error. */
  path: string;
  /** Texts by id, in the vocabulary's notation; "" for an unknown id. */
  tokens: readonly string[];
  encoder: Encoder;
  detokenizer: Detokenizer;
  frame: Frame;
  /** Tokens that only a template or a frame may add. */
  special: ReadonlySet<number>;
  /** The white space that special tokens absorb, keyed by token text. */
  strips: ReadonlyMap<string, Strip>;
  /** Ids that end an answer. */
  stopIds: ReadonlySet<number>;
  bos?: number | undefined;
  eos?: number | undefined;
  pad?: number | undefined;
  unk?: number | undefined;
  mask?: number | undefined;
  /** Tokens for filling in the middle, named as in the file. */
  fim?: Fim | undefined;
  templates: Templates;
}

/** Ids by text, without special tokens, because text must never encode to these. */
export function plainIds(tokens: readonly string[], special: ReadonlySet<number>): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) if (!special.has(id) && tokens[id] !== "") ids.set(tokens[id]!, id);
  return ids;
}
