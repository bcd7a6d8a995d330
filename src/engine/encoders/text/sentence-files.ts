import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Pooling } from "../../../graph/index.ts";
import { UserError } from "../../../util/errors.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import type { ConfigSource } from "../../../weights/checkpoint.ts";
import { readJson, readOptionalJson } from "../../../weights/json-file.ts";
import { type DenseModule, readDense } from "./dense-modules.ts";

/** The steps from a text's token vectors to its single vector. */
export interface SentenceSettings {
  readonly pooling: Pooling;
  /** Linear layers after the pooling, in order. */
  readonly dense: readonly DenseModule[];
  /** True if vectors are normalised to length 1. */
  readonly normalise: boolean;
  /** The maximum number of tokens per text, including the tokens added around it; the model's limit if undefined. */
  readonly limit: number | undefined;
  /** The prompt for texts without a task. */
  readonly prompt: string;
  /** The prompts for texts, by task name. */
  readonly prompts: Readonly<Record<string, string>>;
  /** True if texts are lowercased before tokenizing. */
  readonly lowercase: boolean;
}

/** A module's path is the name of a subfolder, or empty for the model's own folder. */
const moduleSchema = z.object({ type: z.string(), path: z.string().regex(/^[^/\\.]*$/, "expected a folder's name") });

const transformerSchema = z.looseObject({
  max_seq_length: z.int().min(1).nullish(),
  do_lower_case: z.boolean().default(false),
});

const poolingSchema = z.looseObject({
  pooling_mode: z.union([z.string(), z.array(z.string())]).nullish(),
  include_prompt: z.boolean().default(true),
});

const promptsSchema = z.looseObject({
  prompts: z.record(z.string(), z.string()).nullish(),
  default_prompt_name: z.string().nullish(),
});

const tokenizerSchema = z.looseObject({ model_max_length: z.number().min(1).nullish() });

/** The file names that sentence-transformers has used for a Transformer's settings. */
const TRANSFORMER_FILES = ["bert", "roberta", "distilbert", "xlm-roberta"].map(
  (kind) => `sentence_${kind}_config.json`,
);

/**
 * Reads sentence-transformers' files in a model folder: modules.json, each module's settings, the default prompt.
 * Without these files, the mean of the token vectors is used, as in sentence-transformers.
 * @throws UserError if a module is not supported
 */
export function readSentenceSettings(folder: string): SentenceSettings {
  const file = path.join(folder, "modules.json");
  const modules = (readOptionalJson(file, z.array(moduleSchema)) ?? []).map((m) => ({ ...m, kind: kindOf(m.type) }));
  const strange = modules.find(({ kind }) => !["Transformer", "Pooling", "Dense", "Normalize"].includes(kind));
  if (strange) throw new UserError(`${file}: the module "${strange.type}" is not supported`);
  const pooling = modules.find(({ kind }) => kind === "Pooling");
  const { prompt, prompts } = readPrompts(path.join(folder, "config_sentence_transformers.json"));
  return {
    pooling: pooling
      ? readPooling(path.join(folder, pooling.path, "config.json"), [prompt, ...Object.values(prompts)])
      : "mean",
    dense: modules.filter(({ kind }) => kind === "Dense").map((module) => readDense(path.join(folder, module.path))),
    normalise: modules.some(({ kind }) => kind === "Normalize"),
    prompt,
    prompts,
    ...readTransformer(folder, modules.find(({ kind }) => kind === "Transformer")?.path ?? ""),
  };
}

/**
 * Copies sentence-transformers' files and those named in `more` into another folder, except the tokenizer and the
 * model's weights. @throws the system's error
 */
export async function copySentenceFiles(from: string, to: string, more: readonly string[] = []): Promise<void> {
  for (const name of sentenceFiles(from, more)) {
    makeFolders(path.dirname(path.join(to, name)));
    await copyFile(path.join(from, name), path.join(to, name));
  }
}

function sentenceFiles(folder: string, more: readonly string[]): string[] {
  const modules = readOptionalJson(path.join(folder, "modules.json"), z.array(moduleSchema)) ?? [];
  const settings = ["", ...modules.map((m) => m.path)].flatMap((place) =>
    TRANSFORMER_FILES.map((name) => path.join(place, name)),
  );
  const own = modules
    .filter((m) => m.path !== "")
    .flatMap((m) => [path.join(m.path, "config.json"), path.join(m.path, "model.safetensors")]);
  const all = [...more, "modules.json", "config_sentence_transformers.json", ...settings, ...own];
  return [...new Set(all)].filter((name) => existsSync(path.join(folder, name)));
}

/** Returns `Pooling` for `sentence_transformers.models.Pooling`. */
const kindOf = (type: string): string => type.slice(type.lastIndexOf(".") + 1);

function readTransformer(folder: string, module: string): Pick<SentenceSettings, "limit" | "lowercase"> {
  const settings = TRANSFORMER_FILES.map((name) =>
    readOptionalJson(path.join(folder, module, name), transformerSchema),
  );
  const own = settings.find((s) => s !== undefined);
  const tokenizer = readOptionalJson(path.join(folder, module, "tokenizer_config.json"), tokenizerSchema);
  // In these files, 1e30 means a tokenizer without a limit.
  return {
    limit: own?.max_seq_length ?? tokenizer?.model_max_length ?? undefined,
    lowercase: own?.do_lower_case ?? false,
  };
}

/** Keyed by name, and by the flags used before version 6. */
const poolings: Readonly<Record<string, Pooling>> = {
  mean: "mean",
  cls: "cls",
  lasttoken: "last",
  pooling_mode_mean_tokens: "mean",
  pooling_mode_cls_token: "cls",
  pooling_mode_lasttoken: "last",
};

function readPooling(file: string, prompts: readonly string[]): Pooling {
  const settings = readJson(file, poolingSchema, "how token vectors are pooled");
  const flags = Object.keys(settings).filter((key) => key.startsWith("pooling_mode_") && settings[key] === true);
  const modes = settings.pooling_mode ? [settings.pooling_mode].flat() : flags;
  const pooling = modes.length === 1 ? poolings[modes[0]!] : undefined;
  if (!pooling)
    throw new UserError(
      `${file}: token vectors are pooled by ${modes.join(" and ") || "nothing"}, expected mean, cls or lasttoken`,
    );
  if (prompts.some((prompt) => prompt !== "") && !settings.include_prompt)
    throw new UserError(`${file}: "include_prompt" is false, but pooling without the prompt is not supported`);
  return pooling;
}

function readPrompts(file: string): Pick<SentenceSettings, "prompt" | "prompts"> {
  const { prompts, default_prompt_name: name } = readOptionalJson(file, promptsSchema) ?? {};
  if (!name) return { prompt: "", prompts: prompts ?? {} };
  const prompt = prompts?.[name];
  if (prompt === undefined) throw new UserError(`${file}: the default prompt, "${name}", does not exist`);
  return { prompt, prompts: prompts ?? {} };
}

type Prompts = Pick<SentenceSettings, "prompt" | "prompts">;

/** The prompt for a task, or the default one; `model` names the model. @throws UserError if there is no such prompt */
export function promptNamed({ prompt, prompts }: Prompts, name: string | undefined, model: string): string {
  if (name === undefined) return prompt;
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const names = Object.keys(prompts);
  throw new UserError(
    names.length === 0
      ? `${model} has no prompts; expected none, got "${name}"`
      : `${model} has no prompt "${name}", expected one of ${names.join(", ")}`,
    2,
  );
}

/** The prompts of queries and documents, under sentence-transformers' names; a default prompt serves both. */
export function searchPrompts({ prompt, prompts }: Prompts): Readonly<Record<"query" | "document", string>> {
  if (prompt !== "") return { query: prompt, document: prompt };
  const document = prompts["document"] ?? prompts["passage"] ?? prompts["corpus"] ?? "";
  return { query: prompts["query"] ?? "", document };
}

/** The pooling for each code in a GGUF (`llama_pooling_type` in llama.h). */
const storedPoolings: Readonly<Record<number, Pooling>> = { 1: "mean", 2: "cls", 3: "last" };
const RANK = 4;

/** Settings that leave texts unchanged, up to the model's limit. */
export const PLAIN: SentenceSettings = {
  pooling: "mean",
  dense: [],
  normalise: true,
  limit: undefined,
  prompt: "",
  prompts: {},
  lowercase: false,
};

const SEARCH = "task: search result | query: ";
const DOCUMENT = "title: none | text: ";
const CLASSES = "task: classification | query: ";
const SIMILARITY = "task: sentence similarity | query: ";

/** EmbeddingGemma's prompts by task, which its GGUFs lack (Vera et al. 2025; the published model's configuration). */
const EMBEDDING_GEMMA = {
  ...{ query: SEARCH, document: DOCUMENT, BitextMining: SEARCH, Clustering: "task: clustering | query: " },
  ...{
    Classification: CLASSES,
    InstructionRetrieval: "task: code retrieval | query: ",
    MultilabelClassification: CLASSES,
  },
  ...{ PairClassification: SIMILARITY, Reranking: SEARCH, Retrieval: SEARCH, "Retrieval-query": SEARCH },
  ...{ "Retrieval-document": DOCUMENT, STS: SIMILARITY, Summarization: "task: summarization | query: " },
};

/**
 * Reads a GGUF's `pooling_type`; the default is the mean of the token vectors. Vectors have length 1, as in llama.cpp's
 * server.
 * @throws UserError if the file has no pooling, or needs a head that it lacks
 */
export function sentenceMetadata({ path, metadata }: Extract<ConfigSource, { kind: "gguf" }>): SentenceSettings {
  const architecture = metadata.string("general.architecture");
  const key = `${architecture}.pooling_type`;
  const type = metadata.integer(key, 1);
  const pooling = storedPoolings[type];
  if (pooling === undefined)
    throw new UserError(
      type === RANK
        ? `${path}: "${key}" is 4, a classifier, but the file has no tensor "cls.output.weight"`
        : `${path}: "${key}" is ${type}, expected 1 (mean), 2 (the first token's) or 3 (the last token's)`,
    );
  return { ...PLAIN, pooling, ...(architecture === "gemma-embedding" && { prompts: EMBEDDING_GEMMA }) };
}
