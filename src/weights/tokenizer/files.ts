import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { companions } from "../companions.ts";
import { withFile } from "../read-file.ts";
import type { Frame, FramePiece } from "./frame.ts";
import { edges, scoresOf, userDefined } from "./gguf-kind.ts";
import { published, publishedScores } from "./gguf-parts.ts";
import { plainIds } from "./parts.ts";
import { presetOf } from "./presets.ts";
import { fromGguf, type TokenizerSource } from "./source.ts";
import { checkIds, specialIds, stopIds } from "./special.ts";

/** A tokenizer's files in a Hugging Face folder, by name. */
export type TokenizerFiles = Readonly<Record<string, string>>;

/** The files of a model's tokenizer. @throws UserError for a kind of GGUF tokenizer that cannot be written */
export function tokenizerFilesOf(checkpoint: Checkpoint): TokenizerFiles {
  const { config } = checkpoint;
  switch (config.kind) {
    case "gguf":
      return ggufFiles(fromGguf(config.metadata));
    case "huggingface":
      return Object.fromEntries(companions(checkpoint).filter(isOfTokenizer).map(named));
  }
}

const isOfTokenizer = (file: string): boolean => /\.(json|txt|jinja)$/.test(file) && !/[/\\]config\.json$/.test(file);

const named = (file: string): [string, string] => [
  path.basename(file),
  withFile(file, ({ size, read }) => read(0, size).toString("utf8")),
];

/** Converts a GGUF's tokenizer. The tokens that end an answer go to `generation_config.json`. */
export function ggufFiles(source: TokenizerSource): TokenizerFiles {
  checkIds(source);
  const { path: file, model, chatTemplate } = source;
  const write = Object.hasOwn(kinds, model) ? kinds[model as keyof typeof kinds] : undefined;
  if (!write)
    throw new UserError(
      `${file}: its tokenizer is of kind "${model}"; only byte-level BPE ("gpt2") and SentencePiece's BPE ("llama") can be converted`,
    );
  const special = specialIds(source);
  const { tokens, frame, ...own } = write(source, special);
  const tokenizer = {
    ...{ version: "1.0", truncation: null, padding: null },
    added_tokens: [
      ...Array.from(special, (id) => ({ id, content: tokens[id]!, special: true })),
      ...userDefined(source, tokens).map(({ id, content }) => ({ id, content, special: false })),
    ]
      .map((token) => ({ ...token, single_word: false, lstrip: false, rstrip: false, normalized: false }))
      .sort((a, b) => a.id - b.id),
    ...own,
    post_processor: frameFile(frame, tokens),
  };
  const config = {
    ...{ tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false },
    ...rolesOf(source),
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
  };
  return {
    "tokenizer.json": json(tokenizer),
    "tokenizer_config.json": json(config),
    "generation_config.json": json({ eos_token_id: [...stopIds(source, special)] }),
  };
}

/** The parts of a tokenizer.json that differ by kind. */
interface OwnFile {
  readonly tokens: readonly string[];
  readonly frame: Frame;
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly decoder: object;
  readonly model: object;
}

const kinds = { gpt2: byteLevelFile, llama: sentencePieceFile };

const BPE = { type: "BPE", dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null };
const vocabularyOf = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));

function byteLevelFile(source: TokenizerSource): OwnFile {
  const { path: file, tokens, merges } = source;
  if (merges === undefined) throw new UserError(`${file}: metadata "tokenizer.ggml.merges" is missing`);
  const { written, ignoreMerges = false, addBos = false, separators } = presetOf(source);
  return {
    ...{ tokens, frame: edges(source, { bos: addBos, separators }) },
    ...(written as Pick<OwnFile, "normalizer" | "pre_tokenizer">),
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      ...{ ...BPE, unk_token: null, fuse_unk: false, byte_fallback: false, ignore_merges: ignoreMerges },
      ...{ vocab: vocabularyOf(tokens), merges },
    },
  };
}

/**
 * SentencePiece's BPE as transformers' `SpmConverter` writes it: the whole text is one word, and scores become merges.
 */
function sentencePieceFile(source: TokenizerSource, special: ReadonlySet<number>): OwnFile {
  const { unk, addSpacePrefix: prefix = true } = source;
  const tokens = published(source);
  const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const back = { type: "Replace", pattern: { String: "▁" }, content: " " };
  const decoders = [back, { type: "ByteFallback" }, { type: "Fuse" }];
  return {
    ...{ tokens, frame: edges(source, { bos: true }), pre_tokenizer: null },
    normalizer: prefix ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replace] } : replace,
    decoder: {
      type: "Sequence",
      decoders: prefix ? [...decoders, { type: "Strip", content: " ", start: 1, stop: 0 }] : decoders,
    },
    model: {
      ...{ ...BPE, unk_token: unk === undefined ? null : tokens[unk], fuse_unk: true, byte_fallback: true },
      ...{ ignore_merges: false, vocab: vocabularyOf(tokens) },
      merges: mergesOf(tokens, special, publishedScores(source, scoresOf(source))),
    },
  };
}

/** Every pair of tokens that forms a token: the highest score first, then the longest left part, then the right. */
function mergesOf(
  tokens: readonly string[],
  special: ReadonlySet<number>,
  scores: ArrayLike<number>,
): (readonly [string, string])[] {
  const ids = plainIds(tokens, special);
  const all: { readonly left: string[]; readonly right: string[]; readonly score: number }[] = [];
  for (const [token, id] of ids) {
    const letters = Array.from(token);
    for (let at = 1; at < letters.length; at++) {
      const [left, right] = [letters.slice(0, at), letters.slice(at)];
      if (ids.has(left.join("")) && ids.has(right.join(""))) all.push({ left, right, score: scores[id]! });
    }
  }
  all.sort((a, b) => b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length);
  return all.map(({ left, right }) => [left.join(""), right.join("")]);
}

function rolesOf({ tokens, bos, eos, pad, unk, mask }: TokenizerSource): Record<string, string> {
  const roles = { bos_token: bos, eos_token: eos, pad_token: pad, unk_token: unk, mask_token: mask };
  return Object.fromEntries(
    Object.entries(roles).flatMap(([role, id]) => (id === undefined ? [] : [[role, tokens[id]!]])),
  );
}

/** The tokens around texts, if any. */
function frameFile({ single, pair }: ReturnType<typeof edges>, tokens: readonly string[]): object | null {
  const ids = [...single, ...pair].flatMap((piece) => ("id" in piece ? [piece.id] : []));
  if (ids.length === 0) return null;
  const piece = (piece: FramePiece) =>
    "id" in piece
      ? { SpecialToken: { id: tokens[piece.id]!, type_id: piece.type } }
      : { Sequence: { id: piece.text, type_id: piece.type } };
  const specials = ids.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }]);
  return {
    ...{ type: "TemplateProcessing", single: single.map(piece), pair: pair.map(piece) },
    special_tokens: Object.fromEntries(specials),
  };
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
