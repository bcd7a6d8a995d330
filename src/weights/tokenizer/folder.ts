import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { inFile, UserError } from "../../util/errors.ts";
import { readJson, readOptionalJson } from "../json-file.ts";
import { withFile } from "../read-file.ts";
import { clipTokenizerFile } from "./clip-files.ts";
import { detokenizerOf } from "./detokenizer.ts";
import { type AddedToken, Encoder } from "./encoder.ts";
import { BARE, type Frame, frameOf, surround } from "./frame.ts";
import { normalizer } from "./normalizer.ts";
import { type Parts, plainIds, type Templates } from "./parts.ts";
import { preTokenizer } from "./pretokenizer.ts";
import { vocabularyOf } from "./published-model.ts";
import { namedEnds } from "./special.ts";

/** The maximum size; a vocabulary of 262,144 tokens with its merges takes 33 MB. */
const MOST_BYTES = 2 ** 27;
/** The maximum size of a template; published templates take about 20 kB. */
const MOST_TEMPLATE = 2 ** 20;

const addedToken = z.object({
  id: z.int().min(0),
  content: z.string(),
  special: z.boolean().default(false),
  normalized: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
});
type TokenEntry = z.output<typeof addedToken>;

const tokenizerFile = z.looseObject({ model: z.unknown(), added_tokens: z.array(addedToken).default([]) });

const token = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]);
const roles = z.looseObject({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  pad_token: token.nullish(),
  unk_token: token.nullish(),
  mask_token: token.nullish(),
  cls_token: token.nullish(),
  sep_token: token.nullish(),
});
const config = roles.extend({
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
});
const generation = z.looseObject({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() });

/** The path at which a folder's tokenizer is missing; undefined if it has one. */
export function missingTokenizer(folder: string): string | undefined {
  const path = join(folder, "tokenizer.json");
  return existsSync(path) || clipTokenizerFile(folder) ? undefined : path;
}

/**
 * The tokenizer of a Hugging Face folder: tokenizer.json, or CLIP's older files, with additions from tokenizer_config.json,
 * special_tokens_map.json, generation_config.json and chat_template.jinja. `vocabulary`: the model's number of tokens.
 * @throws UserError if a file is missing or broken, needs something unsupported, or has tokens that the model does not
 * have
 */
export function fromFolder(folder: string, vocabulary?: number): Parts {
  const path = join(folder, "tokenizer.json");
  const file = readTokenizer(folder, path);
  const settings = {
    ...readOptionalJson(join(folder, "special_tokens_map.json"), roles),
    ...readOptionalJson(join(folder, "tokenizer_config.json"), config),
  };
  const { eos_token_id } = readOptionalJson(join(folder, "generation_config.json"), generation) ?? {};
  const parts = inFile(path, () => partsOf(path, file, settings, vocabulary));
  const stopIds = new Set([...parts.stopIds, ...[eos_token_id ?? []].flat()]);
  return { ...parts, stopIds, templates: templatesOf(folder, settings.chat_template) };
}

function readTokenizer(folder: string, path: string): z.output<typeof tokenizerFile> {
  const clip = existsSync(path) ? undefined : clipTokenizerFile(folder);
  return clip ? tokenizerFile.parse(clip) : readJson(path, tokenizerFile, "the model's tokenizer", MOST_BYTES);
}

function partsOf(
  path: string,
  file: z.output<typeof tokenizerFile>,
  settings: Partial<z.output<typeof config>>,
  size = Number.POSITIVE_INFINITY,
): Parts {
  const { tokens, unk, model } = vocabularyOf(file.model);
  if (tokens.length > size) {
    const last = JSON.stringify(tokens.at(-1));
    throw new UserError(
      `it has ${last} as token ${tokens.length - 1}, but the model's vocabulary has only ${size} tokens`,
    );
  }
  // Gemma 3's tokenizer adds a token for images; its text models have no weights for it.
  const added = file.added_tokens.filter(({ id }) => id < size);
  for (const { id, content } of added) tokens[id] = content;
  const all = Array.from(tokens, (text) => text ?? "");
  const id = (text: string | null | undefined) => {
    const found = text ? (added.find(({ content }) => content === text)?.id ?? all.indexOf(text)) : -1;
    return found < 0 ? undefined : found;
  };
  const ends = {
    bos: id(settings.bos_token),
    eos: id(settings.eos_token),
    cls: id(settings.cls_token),
    sep: id(settings.sep_token),
  };
  const special = new Set([
    ...added.filter(isSpecial).map((token) => token.id),
    ...Object.values(ends).filter(isKnown),
  ]);
  return {
    path,
    tokens: all,
    encoder: new Encoder({
      added: added.filter((token) => !special.has(token.id)).map(plain),
      normalizer: optional(file.normalizer, normalizer),
      preTokenizer: optional(file.pre_tokenizer, preTokenizer),
      model: model(plainIds(all, special), new Set(Array.from(special, (id) => all[id]!))),
    }),
    detokenizer: detokenizerOf(file.decoder),
    frame: frame(file.post_processor, settings, ends),
    special,
    strips: new Map(
      added.filter(({ lstrip, rstrip }) => lstrip || rstrip).map((token) => [token.content, stripOf(token)]),
    ),
    stopIds: new Set([ends.eos, ...namedEnds(special, all)].filter(isKnown)),
    bos: ends.bos,
    eos: ends.eos,
    pad: id(settings.pad_token),
    unk: unk ?? id(settings.unk_token),
    mask: id(settings.mask_token),
    templates: {},
  };
}

const isSpecial = ({ special }: TokenEntry): boolean => special;
const isKnown = (id: number | undefined): id is number => id !== undefined;
const stripOf = ({ lstrip, rstrip }: TokenEntry) => ({ left: lstrip, right: rstrip });

function plain(added: TokenEntry): AddedToken {
  const { id, content, normalized } = added;
  return { id, content, normalized, ...(added.lstrip || added.rstrip ? { strip: stripOf(added) } : {}) };
}

function optional<T>(specification: unknown, make: (specification: unknown) => T): T | undefined {
  return specification === null || specification === undefined ? undefined : make(specification);
}

/** The tokens around a text, defined by the post-processor or, without one, by two flags of tokenizer_config.json. */
function frame(
  specification: unknown,
  { add_bos_token, add_eos_token }: Partial<z.output<typeof config>>,
  { bos, eos }: { bos: number | undefined; eos: number | undefined },
): Frame {
  const own = optional(specification, frameOf) ?? BARE;
  if (own !== BARE) return own;
  return surround(add_bos_token && isKnown(bos) ? [bos] : [], add_eos_token && isKnown(eos) ? [eos] : []);
}

const processorTemplate = z.object({ chat_template: z.string().max(MOST_TEMPLATE) });

function templatesOf(folder: string, template: z.output<typeof config>["chat_template"]): Templates {
  const file = join(folder, "chat_template.jinja");
  if (existsSync(file)) return { chat: templateIn(file) };
  // Older vision models keep the template in chat_template.json.
  const processor = readOptionalJson(join(folder, "chat_template.json"), processorTemplate);
  if (processor) return { chat: processor.chat_template };
  if (!Array.isArray(template)) return template ? { chat: template } : {};
  const named = (name: string) => template.find((one) => one.name === name)?.template;
  return { chat: named("default"), tools: named("tool_use") };
}

function templateIn(file: string): string {
  return withFile(file, ({ size, read }) => {
    if (size > MOST_TEMPLATE) throw new UserError(`${file}: ${size} bytes are too many for a chat template`);
    return read(0, size).toString("utf8");
  });
}
