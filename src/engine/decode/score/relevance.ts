import { encodeChat } from "../../../weights/tokenizer/index.ts";
import { activate } from "../../encoders/text/classifier.ts";
import { encodePair, encoderOf } from "../../encoders/text/encode-pair.ts";
import { checkTokens, documentName, limitOf, type Truncate } from "../../truncate.ts";
import { instructedChat } from "../instructed-chat.ts";
import type { LanguageModel } from "../language-model.ts";
import { fitted } from "./fitted.ts";
import { type Continuations, natsOf, type TokenScore } from "./likelihood.ts";

/** The prompt of Qwen3-Reranker (Zhang et al., arXiv 2506.05176, and its model card). */
const JUDGE =
  'Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".';
const INSTRUCT = "Given a web search query, retrieve relevant passages that answer the query";
const question = (query: string, document: string) =>
  `<Instruct>: ${INSTRUCT}\n<Query>: ${query}\n<Document>: ${document}`;

/**
 * The continuations whose likelihood gives each text's relevance to the query.
 * @throws UserError if the query, or a text that must not be cut, is too long
 */
export function relevanceRequests(
  model: LanguageModel,
  query: string,
  texts: readonly string[],
  truncate?: Truncate,
): Continuations[] {
  model.checkText(query);
  const { encode, yes, no } = model.tokenizer.chatTemplate === undefined ? asText(model) : asChat(model);
  const continuations = [yes, no];
  const room = model.decoder.config.context - Math.max(yes.length, no.length);
  return texts.map((text, i) => {
    const context = fitted(text, limitOf(truncate, room), (t) => encode(question(query, t)));
    checkTokens(context.length, room, `${documentName(i)}, with the query,`);
    return { context, continuations };
  });
}

/** The probability of "yes" relative to both answers: P(yes) / (P(yes) + P(no)). */
export const relevanceOf = (predicted: readonly TokenScore[][]): number =>
  activate(predicted.map(natsOf), "softmax")[0]!;

interface Asking {
  encode(question: string): number[];
  readonly yes: readonly number[];
  readonly no: readonly number[];
}

function asChat({ tokenizer }: LanguageModel): Asking {
  const turns = { addGenerationPrompt: true, variables: { enable_thinking: false } };
  const messages = instructedChat(tokenizer, JUDGE);
  const encode = (content: string) => encodeChat(tokenizer, messages(content), turns);
  return { encode, yes: tokenizer.encode("yes"), no: tokenizer.encode("no") };
}

const asText = (model: LanguageModel): Asking => ({
  encode: (content) => model.encode(`${JUDGE}\n\n${content}\nAnswer:`, true),
  yes: encodePair(encoderOf(model), { context: "Answer:", continuation: " yes" }).continuation,
  no: encodePair(encoderOf(model), { context: "Answer:", continuation: " no" }).continuation,
});
