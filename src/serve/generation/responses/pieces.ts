import { z } from "zod";
import type { Receipt } from "../../../ledger/receipt.ts";
import { textPipelines } from "../../../pipelines/registry.ts";
import type { Logprobs } from "./output.ts";

const call = z.object({
  index: z.int().optional(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }),
});
const messageShape = z.object({
  content: z.string().nullish(),
  // Newer versions of vLLM use `reasoning`.
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  tool_calls: z.array(call).nullish(),
});
const usage = z.object({ completion_tokens_details: z.object({ reasoning_tokens: z.int().nullish() }).nullish() });
const choice = z.object({
  delta: messageShape.optional(),
  message: messageShape.optional(),
  logprobs: z.object({ content: z.custom<Logprobs>().nullish() }).nullish(),
  finish_reason: z.string().nullish(),
});

/** Pipelines' answer fields, in the same format as in chats. */
const OWN = textPipelines.map(({ shows }) => shows.field);

/** The fields that are read from a chat's answer or chunk, local or remote. */
const chatSchema = z.looseObject({
  choices: z.array(choice).optional(),
  usage: usage.nullish(),
  receipt: z.custom<Receipt>().optional(),
});

/** A call, or a part of one. */
export interface CallPiece {
  /** The call's index among the answer's calls. */
  readonly place: number;
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
}

/** A chat's answer, or one chunk of it. */
export interface Piece {
  readonly text: string;
  readonly reasoning: string;
  /** The number of reasoning tokens, once counted. */
  readonly reasoningTokens: number | undefined;
  readonly logprobs: Logprobs;
  readonly calls: readonly CallPiece[];
  readonly reason: string | undefined;
  readonly receipt: Receipt | undefined;
  /** Fields of pipelines. */
  readonly shown: object;
}

export function pieceOf(chat: object): Piece {
  const { choices = [], usage, receipt, ...rest } = chatSchema.parse(chat);
  const { delta, message = delta, logprobs, finish_reason } = choices[0] ?? {};
  return {
    ...{ text: message?.content ?? "", logprobs: logprobs?.content ?? [] },
    reasoning: message?.reasoning_content ?? message?.reasoning ?? "",
    reasoningTokens: usage?.completion_tokens_details?.reasoning_tokens ?? undefined,
    calls: (message?.tool_calls ?? []).map(callPiece),
    ...{ reason: finish_reason ?? undefined, receipt },
    shown: Object.fromEntries(Object.entries(rest).filter(([field]) => OWN.includes(field))),
  };
}

const callPiece = ({ index, id, function: it }: z.output<typeof call>, at: number): CallPiece => ({
  ...{ place: index ?? at, id: id ?? undefined },
  ...{ name: it.name ?? "", arguments: it.arguments ?? "" },
});
