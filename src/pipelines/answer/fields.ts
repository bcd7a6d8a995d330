import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { Retrieval } from "./answer.ts";
import { gateMethods } from "./gate/gate.ts";
import { type AnswerOptions, answerOptions, checkAnswerOptions, retrievalModes } from "./options.ts";

const { passages, maxContextTokens, by } = answerOptions.shape;

const gate = z
  .object({
    method: z.enum(gateMethods).nullish().describe("the gate's method; default: the model's calibrated gate"),
    threshold: z.number().nullish().describe("the lowest score at which the gate retrieves; default: calibrated"),
    target_rate: z
      .number()
      .min(0)
      .max(1)
      .nullish()
      .describe("instead of threshold: share of questions to retrieve for, if they resemble the calibration set"),
  })
  .nullish()
  .describe("with retrieval auto: the gate that decides");

const searchShape = {
  index: z
    .string()
    .min(1)
    .max(100)
    .nullish()
    .describe("name of one of the server's indexes (--index); required unless retrieval is never"),
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

const modeField = z
  .enum(retrievalModes)
  .nullish()
  .describe("auto (the default): search if the gate says so; always, never: without a gate");

/** The fields of `POST /v1/answer`. */
export const answerShape = { retrieval: modeField, ...searchShape };

/** The field in chat requests. */
export const chatShape = {
  retrieval: z
    .object({ mode: modeField, ...searchShape })
    .nullish()
    .describe("search an index for the user's last turn, and answer with the passages found"),
};

type SearchFields = z.output<z.ZodObject<typeof searchShape>> & { readonly mode?: z.output<typeof modeField> };

/** A request's settings for the pipeline. */
interface Lookup {
  readonly options: AnswerOptions;
  /** The name of an index. */
  readonly index: string | undefined;
}

/** @throws UserError */
export const ofAnswer = ({ retrieval, ...fields }: z.output<z.ZodObject<typeof answerShape>>): Lookup =>
  lookupOf({ ...fields, mode: retrieval });

/** Reads a chat's settings; undefined if the chat does not use this pipeline. @throws UserError */
export const ofChat = ({ retrieval }: z.output<z.ZodObject<typeof chatShape>>): Lookup | undefined =>
  retrieval ? lookupOf(retrieval) : undefined;

function lookupOf({ mode, index, gate, top_k, max_context_tokens, by }: SearchFields): Lookup {
  const options = optionsOf({
    retrieval: mode,
    ...{ gate: gate?.method, threshold: gate?.threshold, targetRate: gate?.target_rate },
    ...{ passages: top_k, maxContextTokens: max_context_tokens, by },
  });
  if (!index && options.retrieval !== "never")
    throw new UserError(`retrieval ${options.retrieval} needs an index; expected its name`, 2, "index");
  return { options, index: index ?? undefined };
}

function optionsOf(values: Readonly<Record<string, unknown>>): AnswerOptions {
  try {
    return checkAnswerOptions(Object.fromEntries(Object.entries(values).filter(([, value]) => value != null)));
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message, error.exitCode, "retrieval") : error;
  }
}

const document = z.object({ id: z.string(), title: z.string(), text: z.string(), score: z.number() });
const documents = z.array(document).describe("the passages in the prompt; [1] in the answer cites the first");
const citations = z.array(z.int()).describe("indices of the documents that the answer cites, from 0");

/** A gate's decision in a response. */
const decision = {
  method: z.enum(gateMethods),
  score: z.number().nullable().describe("the gate's score; null if not computable: the question is then looked up"),
  threshold: z.number().describe("the lowest score at which the gate retrieves"),
};
const nothing_found = z.literal(true).optional().describe("the search found no passage; the answer is the model's own");
const ms = z.object({ gate: z.number(), search: z.number() }).describe("milliseconds");
const used = z.boolean().describe("true if the prompt contained passages");

const ofChats = z
  .object({ used, ...decision, documents, citations: citations.optional(), nothing_found, ms })
  .optional();

/** The field that retrieval adds to a chat's response and to a stream's first event. */
export const chatShown = { retrieval: ofChats.describe("with retrieval: the gate's decision and the documents") };
export const eventShown = {
  retrieval: ofChats.describe("with retrieval, in the first event: the gate's decision and the documents"),
};

/** The fields of a `POST /v1/answer` response. */
export const answerShown = { retrieved: used, documents, gate: z.object(decision), nothing_found, ms, citations };

/** Converts a decision to the format of `POST /v1/answer`. */
export function decisionOf({ used, method, score, threshold, ms, documents, nothing_found, citations }: Retrieval) {
  const retrieval = { retrieved: used, documents: [...documents], gate: { method, score, threshold } };
  return { ...retrieval, ...(nothing_found && { nothing_found }), ms, ...(citations && { citations: [...citations] }) };
}
