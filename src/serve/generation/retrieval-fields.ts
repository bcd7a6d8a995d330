import { z } from "zod";
import type { Retrieval } from "../../index.ts";
import { gateMethods } from "../../pipelines/answer/gate/gate.ts";
import {
  type AnswerOptions,
  answerOptions,
  checkAnswerOptions,
  retrievalModes,
} from "../../pipelines/answer/options.ts";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";

const { passages, maxContextTokens, by } = answerOptions.shape;

const gate = z
  .object({
    method: z.enum(gateMethods).nullish().describe("what the gate reads; default the model's calibrated gate"),
    threshold: z.number().nullish().describe("a score of it or more retrieves; default the calibrated one"),
    target_rate: z
      .number()
      .min(0)
      .max(1)
      .nullish()
      .describe("share of questions like the calibration's to retrieve for, in place of a threshold"),
  })
  .nullish()
  .describe("what decides under auto");

/** The fields of a request that say how to search. */
export const searchShape = {
  index: z
    .string()
    .min(1)
    .max(100)
    .nullish()
    .describe("an index that the server was started with (--index); needed unless nothing is retrieved"),
  gate,
  top_k: passages
    .unwrap()
    .nullish()
    .describe(`${passages.description}; default ${passages.parse(undefined)}`),
  max_context_tokens: maxContextTokens
    .unwrap()
    .nullish()
    .describe(`${maxContextTokens.description}; default ${maxContextTokens.parse(undefined)}`),
  by: by.nullish().describe(by.description!),
};

export const modeField = z
  .enum(retrievalModes)
  .nullish()
  .describe("auto (the default): search only if the gate says so; always or never: no gate");

/** The field of chats. */
export const retrievalField = z
  .object({ mode: modeField, ...searchShape })
  .nullish()
  .describe("look the last user's turn up in an index, and answer with the passages that are found");

type SearchFields = z.output<z.ZodObject<typeof searchShape>> & { readonly mode?: z.output<typeof modeField> };

/** The pipeline's options among a request's fields. @throws HttpError 400 that names the field */
export function answerOptionsOf(
  { mode, gate, top_k, max_context_tokens, by }: SearchFields,
  param: string,
): AnswerOptions {
  const given = {
    retrieval: mode,
    ...{ gate: gate?.method, threshold: gate?.threshold, targetRate: gate?.target_rate },
    ...{ passages: top_k, maxContextTokens: max_context_tokens, by },
  };
  try {
    return checkAnswerOptions(Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)));
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param }) : error;
  }
}

const document = z.object({ id: z.string(), title: z.string(), text: z.string(), score: z.number() });
export const documentsSchema = z.array(document).describe("the passages that the answer reads, [1] in it the first");
export const citationsSchema = z.array(z.int()).describe("indices of the documents that the answer cites, from 0");

/** How a gate decided. */
export const decisionShape = {
  method: z.enum(gateMethods),
  score: z.number().nullable().describe("the gate's; null if it has none: the question is then looked up"),
  threshold: z.number().describe("a score of it or more retrieves"),
};
export const nothingFound = z
  .literal(true)
  .optional()
  .describe("the search found nothing that could be read: the answer is the model's own");
export const timesSchema = z.object({ gate: z.number(), search: z.number() }).describe("milliseconds");

/** The field of a chat's response. */
export const retrievalSchema = z.object({
  used: z.boolean().describe("true if the answer reads passages"),
  ...decisionShape,
  documents: documentsSchema,
  citations: citationsSchema.optional(),
  nothing_found: nothingFound,
  ms: timesSchema,
});

/** A decision as responses have it. */
export const shownRetrieval = ({ nothingFound: nothing, documents, ...rest }: Retrieval) => ({
  ...rest,
  documents: [...documents],
  ...(nothing && { nothing_found: nothing }),
});
