import { priceOfLengths } from "../../engine/decode/dense-price.ts";
import type { RunOptions } from "../../index.ts";
import { gateFor } from "../../library/answer-gate.ts";
import { billedAs } from "../../library/answer-pipeline.ts";
import { answer } from "../../pipelines/answer/answer.ts";
import type { AnswerModel, PassageSource } from "../../pipelines/answer/model.ts";
import type { AnswerOptions } from "../../pipelines/answer/options.ts";
import type { QuestionPrompts } from "../../pipelines/answer/prompt.ts";
import { templateHash } from "../../pipelines/answer/template.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Chosen } from "../models/served.ts";
import { searchIn } from "../routes/search.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";
import { billedParts, ceilingOf, type Part } from "./answers.ts";
import { withoutHome } from "./pipeline-answers.ts";
import { checkDecoder, PooledModel, Purse } from "./pooled-model.ts";

/** A request to answer with passages. */
export interface Wanted {
  readonly chosen: Chosen;
  /** The prompts, by the model's template. @throws UserError */
  readonly asked: (tokenizer: Tokenizer) => QuestionPrompts;
  readonly options: RunOptions;
  readonly settings: AnswerOptions;
  readonly index: string | null | undefined;
}

/**
 * Answers with passages of an index if the gate says so. The decision is the first part. Neither model is held while
 * the other is waited for: a request that held both could wait for itself.
 */
export async function* retrievedAnswer(
  context: ServerContext,
  { chosen, asked, options, settings, index }: Wanted,
  call: Call,
): AsyncGenerator<Part, void> {
  checkDecoder(chosen);
  const ceiling = ceilingOf([{ prompt: "", options }], context.limits, call.key);
  const purse = new Purse(ceiling.flops);
  const source = sourceOf(context, { index, settings, purse }, call);
  const { tokenizer, ...model } = await modelOf(context, chosen, options, purse, call);
  const gate = await gateOf(context, chosen, tokenizer, settings);
  using bill = billFor(context, chosen.served.id, call);
  const left = new AbortController();
  const { onStopped, arrived, ...turn } = bill.terms;
  const run = answer({ ...model, tokenizer }, source, asked(tokenizer), {
    ...{ gate, settings, onStopped, arrived, signal: AbortSignal.any([call.signal, left.signal]) },
    options: { ...options, ...turn, ceiling },
    named: billedAs(chosen.served.id, settings),
  });
  for await (const part of billedParts(bill, [chunksOf(run)], () => left.abort())) {
    if (part.retrieval?.nothingFound) context.log.info({ index }, "a search found nothing");
    yield { ...part, tokenizer };
  }
}

/** Pieces as a model's chunks. */
async function* chunksOf(run: ReturnType<typeof answer<RunOptions>>) {
  for await (const { tokens, ...piece } of run) yield { ...piece, tokens: [...tokens] };
}

async function modelOf(
  context: ServerContext,
  chosen: Chosen,
  { tools = [] }: RunOptions,
  purse: Purse,
  call: Call,
): Promise<AnswerModel<RunOptions>> {
  using lease = await leaseFor(context, chosen, call);
  const { language } = lease.model;
  const pooled = new PooledModel(context, chosen, purse, call);
  return {
    name: chosen.served.id,
    tokenizer: language.tokenizer,
    context: language.decoder.config.context,
    count: (prompt) => language.encode(prompt, undefined, tools).length,
    generate: (prompt, options) => pooled.generate(prompt, options),
    price: (lengths) => priceOfLengths(language, lengths),
  };
}

interface Searching {
  readonly index: string | null | undefined;
  readonly settings: AnswerOptions;
  readonly purse: Purse;
}

/** @throws HttpError if there is no such index, or none is named and one is needed */
function sourceOf(
  context: ServerContext,
  { index: name, settings, purse }: Searching,
  call: Call,
): PassageSource | undefined {
  if (!name && settings.retrieval === "never") return undefined;
  if (!name)
    throw new HttpError(400, `retrieval ${settings.retrieval} searches an index; expected its name`, {
      param: "index",
    });
  const index = context.indexes.find(name, call.key);
  const { by } = settings;
  return {
    name,
    search: (query, top, terms) =>
      searchIn(context, index, { query, by, top }, call, {
        ...terms,
        key: call.key?.id,
        ceiling: { flops: purse.left },
      }),
    meanTerms: () => index.meanTerms(),
  };
}

/** @throws HttpError if the options name a gate that is not calibrated */
function gateOf({ catalogue, log }: ServerContext, chosen: Chosen, tokenizer: Tokenizer, settings: AnswerOptions) {
  const { served, recipe, quant } = chosen;
  const binding = async () => ({
    model: {
      ...{ name: served.id, sha256: await catalogue.hashOf(served.source), quant },
      recipe: recipe.map(({ text }) => text),
    },
    template: templateHash(tokenizer),
  });
  return withoutHome(() =>
    gateFor(settings, { binding, onNotice: (notice) => catalogue.isNew(notice) && log.warn(notice) }),
  );
}
