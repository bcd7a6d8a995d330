import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { UserError } from "../../util/errors.ts";
import { isObject, type JsonObject } from "../json.ts";
import { Bpe } from "./bpe.ts";
import { component, kind } from "./component.ts";
import type { Model } from "./encoder.ts";
import { listedMerges } from "./merges.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

const name = z.string().nullish();
const vocab = z.custom<JsonObject>(isObject, "expected an object of token texts and ids");
const merge = z.union([z.string(), z.tuple([z.string(), z.string()])]);

/** The vocabulary of a tokenizer.json's `model`, by id, and a constructor of the model that takes the special tokens. */
export interface Vocabulary {
  tokens: string[];
  unk: number | undefined;
  model: (ids: ReadonlyMap<string, number>, special: ReadonlySet<string>) => Model;
}

const kinds = {
  BPE: kind(
    z.object({
      vocab,
      merges: z.custom<z.output<typeof merge>[]>(Array.isArray, "expected a list of merges"),
      unk_token: name,
      fuse_unk: z.boolean().nullish(),
      byte_fallback: z.boolean().nullish(),
      ignore_merges: z.boolean().nullish(),
      continuing_subword_prefix: name,
      end_of_word_suffix: name,
    }),
    (options): Vocabulary => {
      const { tokens, unk } = listed(options.vocab, options.unk_token);
      const prefix = options.continuing_subword_prefix ?? "";
      return {
        tokens,
        unk,
        model: (ids, special) =>
          new Bpe({
            ids,
            merges: listedMerges(options.merges.length, (i) => pair(options.merges[i], i), ids, {
              prefix,
              missing: (token, i) => {
                if (!special.has(token))
                  throw new UserError(`merge ${i} has "${token}", which is not in the vocabulary`);
              },
            }),
            unk,
            fuseUnk: options.fuse_unk ?? false,
            byteFallback: options.byte_fallback ?? false,
            ignoreMerges: options.ignore_merges ?? false,
            prefix,
            suffix: options.end_of_word_suffix ?? "",
          }),
      };
    },
  ),
  WordPiece: kind(
    z.object({
      vocab,
      unk_token: z.string().default("[UNK]"),
      continuing_subword_prefix: z.string().default("##"),
      max_input_chars_per_word: z.int().min(1).default(100),
    }),
    (options): Vocabulary => {
      const { tokens, unk } = listed(options.vocab, options.unk_token);
      const { continuing_subword_prefix: prefix, max_input_chars_per_word: longest } = options;
      return { tokens, unk, model: (ids) => new WordPiece({ ids, unk: unk!, prefix, longest }) };
    },
  ),
  Unigram: kind(
    z.object({
      vocab: z.array(z.tuple([z.string(), z.number()])),
      unk_id: z.int().min(0).nullish(),
      byte_fallback: z.boolean().nullish(),
    }),
    (options): Vocabulary => {
      const unk = options.unk_id ?? undefined;
      const scores = Float64Array.from(options.vocab, ([, score]) => score);
      if (unk !== undefined && unk >= scores.length)
        throw new UserError(`"unk_id" is ${unk}, of ${scores.length} tokens`);
      const byteFallback = options.byte_fallback ?? false;
      return {
        tokens: options.vocab.map(([token]) => token),
        unk,
        model: (ids) => new Unigram({ ids, scores, unk, byteFallback }),
      };
    },
  ),
};

/** @throws UserError if the model is not supported, or its vocabulary is broken */
export const vocabularyOf = (specification: unknown): Vocabulary => {
  const { type } = checked(z.looseObject({ type: z.string().optional() }), specification);
  // Older files do not name the model: merges indicate BPE.
  return component<Vocabulary>("model", kinds, { type: type ?? "BPE", ...(specification as object) });
};

/** A limit above any model's number of ids: a file with a larger id is broken. */
const MOST = 1 << 24;

function listed(vocab: JsonObject, unkToken: string | null | undefined): Omit<Vocabulary, "model"> {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocab)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MOST) {
      throw new UserError(
        `"vocab" has ${JSON.stringify(token)} with the id ${JSON.stringify(id)}, expected a whole number`,
      );
    }
    if (tokens[id] !== undefined) {
      throw new UserError(
        `"vocab" gives the id ${id} to both ${JSON.stringify(tokens[id])} and ${JSON.stringify(token)}`,
      );
    }
    tokens[id] = token;
  }
  const unk = unkToken === undefined || unkToken === null ? undefined : vocab[unkToken];
  if (unk === undefined && unkToken)
    throw new UserError(`"unk_token" is ${JSON.stringify(unkToken)}, which is not in "vocab"`);
  return { tokens, unk: unk as number | undefined };
}

function pair(merge: unknown, index: number): readonly [string, string] {
  if (typeof merge === "string") {
    const at = merge.indexOf(" ", 1);
    if (at > 0) return [merge.slice(0, at), merge.slice(at + 1)];
  } else if (Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string")) {
    return merge as [string, string];
  }
  throw new UserError(`merge ${index} is ${JSON.stringify(merge)}, expected two tokens`);
}
