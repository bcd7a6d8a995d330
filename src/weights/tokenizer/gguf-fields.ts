import path from "node:path";
import { z } from "zod";
import { inFile, UserError } from "../../util/errors.ts";
import type { Field } from "../gguf/fields.ts";
import { readJson } from "../json-file.ts";
import { fromFolder } from "./folder.ts";
import { normalizer } from "./normalizer.ts";
import { presetName } from "./presets.ts";
import { preTokenizer } from "./pretokenizer.ts";
import { TokenType } from "./source.ts";
import { namedEnds } from "./special.ts";
import { Tokenizer } from "./tokenizer.ts";

/** The fields of a byte-level tokenizer.json that a GGUF needs; `fromFolder` reads the rest. */
const byteLevel = z.object({
  added_tokens: z.array(z.object({ id: z.int(), special: z.boolean().default(false) })).default([]),
  normalizer: z.unknown(),
  pre_tokenizer: z.unknown(),
  model: z.object({
    type: z.literal("BPE").default("BPE"),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
  }),
});

const MOST_BYTES = 2 ** 27;

/**
 * Converts a Hugging Face folder's tokenizer to GGUF metadata; `vocabulary` is the model's number of tokens.
 * @throws UserError if it is not byte-level, or has a pre-tokenizer without a GGUF name
 */
export function ggufTokenizer(folder: string, vocabulary: number): Map<string, Field> {
  const parts = fromFolder(folder, vocabulary);
  const { addBos } = new Tokenizer(parts);
  const file = readByteLevel(path.join(folder, "tokenizer.json"));
  const types = new Int32Array(vocabulary).fill(TokenType.unused);
  for (const [id, text] of parts.tokens.entries()) if (text !== "") types[id] = TokenType.normal;
  for (const { id, special } of file.added)
    if (id < vocabulary) types[id] = special ? TokenType.control : TokenType.userDefined;
  const last = parts.frame.single.at(-1);
  const texts = Array.from(types, (type, id) => (type === TokenType.unused ? `[PAD${id}]` : parts.tokens[id]!));
  // llama.cpp also recognises end tokens by their well-known texts.
  const known = namedEnds(parts.special, parts.tokens);
  const turn = [...parts.stopIds].find((id) => id !== parts.eos && !known.includes(id));
  const ids = { bos: parts.bos, eos: parts.eos, padding: parts.pad, unknown: parts.unk, mask: parts.mask, eot: turn };
  return new Map<string, Field>([
    ["tokenizer.ggml.model", ["string", "gpt2"]],
    ["tokenizer.ggml.pre", ["string", file.pre]],
    ["tokenizer.ggml.tokens", ["array", "string", texts]],
    ["tokenizer.ggml.token_type", ["array", "int32", [...types]]],
    ["tokenizer.ggml.merges", ["array", "string", file.merges]],
    ...Object.entries(ids).flatMap(([name, id]): [string, Field][] =>
      id === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, ["uint32", id]]],
    ),
    ["tokenizer.ggml.add_bos_token", ["bool", addBos]],
    ["tokenizer.ggml.add_eos_token", ["bool", last !== undefined && "id" in last && last.id === parts.eos]],
    ...(parts.templates.chat === undefined
      ? []
      : [["tokenizer.chat_template", ["string", parts.templates.chat]] satisfies [string, Field]]),
  ]);
}

function readByteLevel(file: string) {
  const whole = readJson(
    file,
    z.looseObject({ model: z.looseObject({ type: z.string().optional() }) }),
    "",
    MOST_BYTES,
  );
  const { type = "BPE", byte_fallback } = whole.model;
  if (type !== "BPE" || byte_fallback)
    throw new UserError(
      `${file}: only byte-level BPE can be written into a GGUF, got ${type}${byte_fallback ? " with byte fallback" : ""}`,
    );
  const { added_tokens: added, model, ...how } = inFile(file, () => byteLevel.parse(whole));
  const pre = presetName({
    ...(how.normalizer !== null && how.normalizer !== undefined && { normalizer: normalizer(how.normalizer) }),
    preTokenizer: how.pre_tokenizer ? preTokenizer(how.pre_tokenizer) : (word) => [word],
    ...(model.ignore_merges && { ignoreMerges: true }),
  });
  if (pre === undefined) throw new UserError(`${file}: GGUF has no name for this tokenizer's pre-tokenizer`);
  return { added, pre, merges: model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" "))) };
}
