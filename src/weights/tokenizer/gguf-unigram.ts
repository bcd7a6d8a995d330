import { spaced } from "./detokenizer.ts";
import { Encoder } from "./encoder.ts";
import { edges, type Own, scoresOf, userDefined } from "./gguf-kind.ts";
import { plainIds } from "./parts.ts";
import { precompiled } from "./precompiled.ts";
import { preTokenizer } from "./pretokenizer.ts";
import { type TokenizerSource, TokenType } from "./source.ts";
import { idsOfType } from "./special.ts";
import { Unigram } from "./unigram.ts";

/** SentencePiece's Unigram, as T5 and XLM-R have it: the pipeline of their tokenizer.json. */
export function unigram(source: TokenizerSource, special: ReadonlySet<number>): Own {
  const { tokens, unk, charsmap } = source;
  const ids = plainIds(tokens, new Set([...special, ...idsOfType(source, TokenType.unused)]));
  const bytes = idsOfType(source, TokenType.byte).length > 0;
  const model = new Unigram({ ids, scores: normalScores(source), unk, byteFallback: bytes });
  const encoder = new Encoder({
    added: userDefined(source, tokens),
    ...(charsmap && { normalizer: precompiled(Buffer.from(charsmap)) }),
    preTokenizer: preTokenizer({ type: "Sequence", pretokenizers: words(source) }),
    model,
  });
  return {
    encoder,
    detokenizer: spaced(source.addSpacePrefix ?? true),
    frame: edges(source, { bos: false, eos: true }),
  };
}

function words({ addSpacePrefix = true, removeExtraWhitespaces = false }: TokenizerSource): object[] {
  const scheme = addSpacePrefix ? "always" : "never";
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: scheme };
  return removeExtraWhitespaces ? [{ type: "WhitespaceSplit" }, metaspace] : [metaspace];
}

/**
 * llama.cpp's converter gives tokens that are not pieces a score that would make unknown characters more expensive:
 * SentencePiece has 0 for them.
 */
function normalScores(source: TokenizerSource): ArrayLike<number> {
  const { tokenTypes } = source;
  return Float64Array.from(scoresOf(source), (score, id) =>
    tokenTypes === undefined || tokenTypes[id] === TokenType.normal ? score : 0,
  );
}
