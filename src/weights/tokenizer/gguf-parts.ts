import { UserError } from "../../util/errors.ts";
import { bytesOfToken } from "./alphabet.ts";
import { Bpe } from "./bpe.ts";
import { type Detokenizer, spaced, words } from "./detokenizer.ts";
import { Encoder } from "./encoder.ts";
import { bertFrame } from "./frame.ts";
import { edges, type Kind, type Own, scoresOf, userDefined } from "./gguf-kind.ts";
import { type Merges, ScoredMerges, WrittenMerges } from "./merges.ts";
import { normalizer } from "./normalizer.ts";
import { type Parts, plainIds } from "./parts.ts";
import { precompiled } from "./precompiled.ts";
import { presetOf } from "./presets.ts";
import { preTokenizer } from "./pretokenizer.ts";
import { type TokenizerSource, TokenType } from "./source.ts";
import { checkIds, type Fim, idsOfType, specialIds, stopIds } from "./special.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

const kinds: Readonly<Record<string, Kind>> = {
  gpt2: byteLevel,
  llama: (source, special) => {
    const scores = scoresOf(source);
    return sentencePiece(
      source,
      special,
      (tokens, ids) => new ScoredMerges(tokens, ids, publishedScores(source, scores)),
    );
  },
  gemma4: (source, special) =>
    sentencePiece(source, special, (tokens, ids) => new WrittenMerges(tokens, ids, mergesOf(source))),
  t5: unigram,
  bert: wordPiece,
};

/** @throws UserError for an unsupported kind or pre-tokenizer, and for lists and ids that do not match */
export function ggufParts(source: TokenizerSource): Parts {
  const { path, model, bos, eos, pad, unk, mask, chatTemplate } = source;
  if (!Object.hasOwn(kinds, model)) {
    const names = Object.keys(kinds).join(", ");
    throw new UserError(
      `${path}: tokenizers of kind "${model}" (tokenizer.ggml.model) are not supported, expected one of ${names}`,
    );
  }
  checkIds(source);
  const special = specialIds(source);
  const roles = { bos, eos, pad, unk, mask, fim: fimIn(source) };
  const stops = stopIds(source, special);
  const templates = { chat: chatTemplate };
  const own = kinds[model]!(source, special);
  return { path, tokens: source.tokens, special, strips: new Map(), stopIds: stops, ...roles, templates, ...own };
}

function fimIn({ fimPrefix: prefix, fimSuffix: suffix, fimMiddle: middle }: TokenizerSource): Fim | undefined {
  return prefix === undefined || suffix === undefined || middle === undefined ? undefined : { prefix, suffix, middle };
}

function byteLevel(source: TokenizerSource, special: ReadonlySet<number>): Own {
  const { tokens } = source;
  const { normalizer, preTokenizer, ignoreMerges, addBos, separators } = presetOf(source);
  const merges = mergesOf(source);
  const ids = plainIds(tokens, special);
  const model = new Bpe({ ids, merges: new WrittenMerges(tokens, ids, merges), ignoreMerges });
  const encoder = new Encoder({ added: userDefined(source, tokens), normalizer, preTokenizer, model });
  return { encoder, detokenizer: bytesOfToken, frame: edges(source, { bos: addBos ?? false, separators }) };
}

function mergesOf({ path, merges }: TokenizerSource): readonly string[] {
  if (merges === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.merges" is missing`);
  return merges;
}

type MakeMerges = (tokens: readonly string[], ids: ReadonlyMap<string, number>) => Merges;

/** The pipeline of transformers' converter (`SpmConverter`): spaces become ▁, and the whole text is one word. */
function sentencePiece(source: TokenizerSource, special: ReadonlySet<number>, merging: MakeMerges): Own {
  const { unk } = source;
  const prefix = source.addSpacePrefix ?? true;
  const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const steps = prefix ? [{ type: "Prepend", prepend: "▁" }, replace] : [replace];
  const tokens = published(source);
  const ids = plainIds(tokens, special);
  const model = new Bpe({ ids, merges: merging(tokens, ids), unk, fuseUnk: true, byteFallback: true });
  const normalize = normalizer({ type: "Sequence", normalizers: steps });
  const encoder = new Encoder({ added: userDefined(source, tokens), normalizer: normalize, model });
  return { encoder, detokenizer: spaced(prefix), frame: edges(source, { bos: true }), tokens };
}

/** llama.cpp's converter writes the ▁ of user-defined tokens as spaces. */
export function published(source: TokenizerSource): readonly string[] {
  const tokens = source.tokens.slice();
  for (const id of idsOfType(source, TokenType.userDefined)) tokens[id] = tokens[id]!.replaceAll(" ", "▁");
  return tokens;
}

/** llama.cpp's converter gives user-defined tokens the score −1000; SentencePiece gives them 0, to merge them first. */
export function publishedScores(source: TokenizerSource, scores: ArrayLike<number>): ArrayLike<number> {
  const values = Float32Array.from(scores);
  for (const id of idsOfType(source, TokenType.userDefined)) values[id] = 0;
  return values;
}

/** llama.cpp's converter prefixes tokens that begin a word with ▁, and omits BERT's ## from other tokens. */
function wordPiece(source: TokenizerSource, special: ReadonlySet<number>): Own {
  const { path, unk, eos, bos, cls = bos, sep = eos } = source;
  if (unk === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.unknown_token_id" is missing`);
  const tokens = source.tokens.map((token, id) => {
    if (special.has(id) || /^\[.*\]$/.test(token)) return token;
    return token.startsWith("▁") ? token.slice(1) : `##${token}`;
  });
  const ids = plainIds(tokens, special);
  // The file does not record whether case matters: a vocabulary with capitals distinguishes case.
  const lowercase = !Array.from(ids.keys()).some((token) => token !== token.toLowerCase() && !token.startsWith("["));
  const model = new WordPiece({ ids, unk, prefix: "##", longest: 100 });
  const encoder = new Encoder({
    added: userDefined(source, tokens),
    normalizer: normalizer({ type: "BertNormalizer", lowercase }),
    preTokenizer: preTokenizer({ type: "BertPreTokenizer" }),
    model,
  });
  const detokenizer: Detokenizer = words("##", true);
  const frame = cls === undefined || sep === undefined ? edges(source, { bos: false }) : bertFrame(cls, sep);
  return { encoder, detokenizer, frame, tokens };
}

/** SentencePiece's Unigram in T5 and XLM-R: the pipeline of their tokenizer.json. */
function unigram(source: TokenizerSource, special: ReadonlySet<number>): Own {
  const { tokens, unk, charsmap } = source;
  const ids = plainIds(tokens, new Set([...special, ...idsOfType(source, TokenType.unused)]));
  const bytes = idsOfType(source, TokenType.byte).length > 0;
  const model = new Unigram({ ids, scores: normalScores(source), unk, byteFallback: bytes });
  const encoder = new Encoder({
    added: userDefined(source, tokens),
    ...(charsmap && { normalizer: precompiled(Buffer.from(charsmap)) }),
    preTokenizer: preTokenizer({ type: "Sequence", pretokenizers: wordsOf(source) }),
    model,
  });
  return {
    encoder,
    detokenizer: spaced(source.addSpacePrefix ?? true),
    frame: edges(source, { bos: false, eos: true }),
  };
}

function wordsOf({ addSpacePrefix = true, removeExtraWhitespaces = false }: TokenizerSource): object[] {
  const scheme = addSpacePrefix ? "always" : "never";
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: scheme };
  return removeExtraWhitespaces ? [{ type: "WhitespaceSplit" }, metaspace] : [metaspace];
}

/**
 * llama.cpp's converter gives tokens that are not pieces a score that would make unknown characters more expensive; in
 * SentencePiece, that score is 0.
 */
function normalScores(source: TokenizerSource): ArrayLike<number> {
  const { tokenTypes } = source;
  return Float64Array.from(scoresOf(source), (score, id) =>
    tokenTypes === undefined || tokenTypes[id] === TokenType.normal ? score : 0,
  );
}
