import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { readJson, readOptionalJson } from "../../../weights/json-file.ts";
import { type DenseModule, readDense } from "./dense-modules.ts";

/** The way a late interaction model reads queries or documents: a marker after the first token, and a token limit. */
interface Side {
  readonly marker: string;
  /** The maximum number of tokens, including the marker and the tokens that the tokenizer adds. */
  readonly tokens: number;
}

/** A model that compares texts token by token (Khattab and Zaharia 2020, ColBERT). */
export interface LateSettings {
  /** The projection of each token, if any; otherwise the last layer's outputs are compared. */
  readonly dense: readonly DenseModule[];
  /** `expanded`: mask tokens fill the query up to its limit; `seen`: the other tokens attend to them. */
  readonly query: Side & { readonly expanded: boolean; readonly seen: boolean };
  /** `skipped`: the texts of tokens that are not compared. */
  readonly document: Side & { readonly skipped: readonly string[] };
}

/** ASCII punctuation, as in Python's `string.punctuation`. */
const PUNCTUATION = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"];

const tokens = z.int().min(4).max(8192);

/** The settings file of ColBERT's own code. */
const artifactSchema = z.looseObject({
  query_maxlen: tokens.default(32),
  doc_maxlen: tokens.default(220),
  query_token_id: z.string().min(1).default("[unused0]"),
  doc_token_id: z.string().min(1).default("[unused1]"),
  mask_punctuation: z.boolean().default(true),
  attend_to_mask_tokens: z.boolean().default(false),
  similarity: z.literal("cosine", "expected cosine").default("cosine"),
});

/** PyLate's fields in addition to sentence-transformers'. */
const pylateSchema = z.looseObject({
  query_prefix: z.string().min(1).default("[Q] "),
  document_prefix: z.string().min(1).default("[D] "),
  query_length: tokens.default(32),
  document_length: tokens.default(180),
  do_query_expansion: z.boolean().default(true),
  attend_to_expansion_tokens: z.boolean().default(false),
  skiplist_words: z.array(z.string()).default(PUNCTUATION),
});

const modulesSchema = z.array(z.object({ type: z.string(), path: z.string() }));

/** Reads a late interaction model's settings from its folder; undefined for other models. @throws UserError */
export function readLate(folder: string, checkpoint: Pick<Checkpoint, "tensors">): LateSettings | undefined {
  const artifact = readOptionalJson(path.join(folder, "artifact.metadata"), artifactSchema);
  if (artifact) return ofArtifact(artifact, checkpoint);
  const file = path.join(folder, "modules.json");
  const modules = readOptionalJson(file, modulesSchema) ?? [];
  const [first, ...others] = modules.filter(({ type }) => type.startsWith("pylate."));
  if (!first) return undefined;
  if (others.length > 0) throw new UserError(`${file}: ${others.length + 1} PyLate modules, expected one projection`);
  return ofPylate(path.join(folder, "config_sentence_transformers.json"), path.join(folder, first.path));
}

function ofArtifact(
  { query_maxlen, doc_maxlen, ...read }: z.output<typeof artifactSchema>,
  { tensors }: Pick<Checkpoint, "tensors">,
): LateSettings {
  const shape = tensors.get("linear.weight")?.shape;
  const query = { marker: read.query_token_id, tokens: query_maxlen, expanded: true, seen: read.attend_to_mask_tokens };
  const skipped = read.mask_punctuation ? PUNCTUATION : [];
  return {
    dense: shape ? [{ file: undefined, name: "linear", outputs: shape[0]!, activation: "none" }] : [],
    query,
    document: { marker: read.doc_token_id, tokens: doc_maxlen, skipped },
  };
}

function ofPylate(file: string, module: string): LateSettings {
  const read = readJson(file, pylateSchema, "how texts are compared token by token");
  return {
    dense: [readDense(module)],
    query: {
      ...{ marker: read.query_prefix, tokens: read.query_length },
      ...{ expanded: read.do_query_expansion, seen: read.attend_to_expansion_tokens },
    },
    document: { marker: read.document_prefix, tokens: read.document_length, skipped: read.skiplist_words },
  };
}
