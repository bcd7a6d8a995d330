import { UserError } from "../../util/errors.ts";
import type { AddedToken } from "./encoder.ts";
import { bertFrame, type Frame, robertaFrame, surround } from "./frame.ts";
import type { Parts } from "./parts.ts";
import { type TokenizerSource, TokenType } from "./source.ts";
import { idsOfType } from "./special.ts";

/** The parts of a tokenizer that differ between kinds of vocabulary. */
export type Own = Pick<Parts, "encoder" | "detokenizer" | "frame"> & { tokens?: readonly string[] };
export type Kind = (source: TokenizerSource, special: ReadonlySet<number>) => Own;

/** Control tokens are found only in text that a template wrote, user-defined tokens in any text. */
export function userDefined(source: TokenizerSource, tokens: readonly string[]): AddedToken[] {
  return idsOfType(source, TokenType.userDefined).map((id) => ({ id, content: tokens[id]! }));
}

/** Reads a number for each token. @throws UserError */
export function scoresOf({ path, scores, tokens }: TokenizerSource): ArrayLike<number> {
  if (scores === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.scores" is missing`);
  if (scores.length === tokens.length) return scores;
  throw new UserError(`${path}: tokenizer.ggml.scores has ${scores.length} entries for ${tokens.length} tokens`);
}

/** The default tokens around texts for a kind of vocabulary. */
interface Edges {
  readonly bos: boolean;
  readonly eos?: boolean | undefined;
  readonly separators?: Separators | undefined;
}

/**
 * Between two texts, RoBERTa has `</s></s>`, which GGUF calls a separator; ModernBERT's file contains the same, but the
 * model expects only one separator.
 */
export type Separators = "one" | "two";

/** The tokens around one text, and around two. */
export function edges({ bos, eos, sep = eos, ...file }: TokenizerSource, kind: Edges): Frame {
  const begins = (file.addBos ?? kind.bos) && bos !== undefined;
  const ends = (file.addEos ?? kind.eos ?? false) && eos !== undefined;
  if (begins && ends && sep !== undefined && (file.addSep ?? kind.separators !== undefined))
    return kind.separators === "one" ? bertFrame(bos, sep, 0) : robertaFrame(bos, sep);
  return surround(begins ? [bos] : [], ends ? [eos] : []);
}
