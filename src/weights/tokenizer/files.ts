import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { companions } from "../companions.ts";
import { withFile } from "../read-file.ts";
import type { FramePiece } from "./frame.ts";
import { edges, userDefined } from "./gguf-kind.ts";
import { presetOf } from "./presets.ts";
import { fromGguf, type TokenizerSource } from "./source.ts";
import { checkIds, specialIds, stopIds } from "./special.ts";

/** A tokenizer's files as a Hugging Face folder has them, by name. */
export type TokenizerFiles = Readonly<Record<string, string>>;

/** The files of a model's tokenizer. @throws UserError for a GGUF's tokenizer that is not byte-level */
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

/** A GGUF's byte-level tokenizer. What ends an answer is in `generation_config.json`. */
export function ggufFiles(source: TokenizerSource): TokenizerFiles {
  checkIds(source);
  const { path: file, model, tokens, merges, chatTemplate } = source;
  if (model !== "gpt2" || merges === undefined)
    throw new UserError(
      `${file}: its tokenizer is of kind "${model}", only a byte-level one ("gpt2") can be taken over`,
    );
  const { written, ignoreMerges = false, addBos = false, separators } = presetOf(source);
  const special = specialIds(source);
  const frame = edges(source, { bos: addBos, separators });
  const tokenizer = {
    ...{ version: "1.0", truncation: null, padding: null },
    added_tokens: [
      ...Array.from(special, (id) => ({ id, content: tokens[id]!, special: true })),
      ...userDefined(source, tokens).map(({ id, content }) => ({ id, content, special: false })),
    ]
      .map((token) => ({ ...token, single_word: false, lstrip: false, rstrip: false, normalized: false }))
      .sort((a, b) => a.id - b.id),
    ...written,
    post_processor: frameFile(frame, tokens),
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: ignoreMerges },
      ...{ vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
    },
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

function rolesOf({ tokens, bos, eos, pad, unk, mask }: TokenizerSource): Record<string, string> {
  const roles = { bos_token: bos, eos_token: eos, pad_token: pad, unk_token: unk, mask_token: mask };
  return Object.fromEntries(
    Object.entries(roles).flatMap(([role, id]) => (id === undefined ? [] : [[role, tokens[id]!]])),
  );
}

/** The tokens around texts; nothing if there are none. */
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
