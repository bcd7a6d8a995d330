import type { Chunk } from "../../index.ts";
import type { NamedText, ShownPiece } from "../../pipelines/pipeline.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Chosen } from "../models/served.ts";
import { billFor, type ServerContext } from "../server-context.ts";
import { type Ask, billedParts, ceilingOf, type Part } from "./answers.ts";
import type { Naming } from "./naming.ts";
import { checkDecoder, Purse } from "./pooled-model.ts";
import { PooledResources } from "./pooled-resources.ts";

/** Answers each of a request's asks by a pipeline, and bills all once. */
export async function* pipelineAnswers(
  context: ServerContext,
  named: NamedText,
  naming: Naming,
  asks: readonly Ask[],
  call: Call,
): AsyncGenerator<Part, void> {
  const chosen = await modelsOf(context, named, naming);
  using bill = billFor(context, named.name, call);
  const left = new AbortController();
  const signal = AbortSignal.any([call.signal, left.signal]);
  const { onStopped, arrived, ...turn } = bill.terms;
  const ceiling = ceilingOf(asks, context.limits, call.key);
  const runs = asks.map(({ prompt, options }) => {
    const resources = new PooledResources(context, chosen, new Purse(ceiling.flops), call);
    const request = { prompt, options: { ...options, ...turn, ceiling }, signal, onStopped, arrived };
    return parts(named, resources, named.pipeline.answer(named, resources, request));
  });
  yield* billedParts(bill, runs, () => left.abort());
}

/** Pieces as a model's chunks, with the field that only this pipeline has. */
async function* parts(
  { pipeline }: NamedText,
  resources: PooledResources,
  pieces: AsyncGenerator<ShownPiece, void>,
): AsyncGenerator<Chunk & Pick<Part, "shown" | "tokenizer">, void> {
  const { field } = pipeline.shows;
  for await (const { tokens, shown, role, ...piece } of pieces) {
    const { tokenizer } = await resources.facts(role);
    yield { ...piece, tokens: [...tokens], tokenizer, ...(shown !== undefined && { shown: { [field]: shown } }) };
  }
}

/** @throws HttpError for savings, which belong to one model, and for a model that is not here or generates no text */
async function modelsOf(
  { catalogue }: ServerContext,
  { name, roles }: NamedText,
  { savings, keep_alive }: Naming,
): Promise<Readonly<Record<string, Chosen>>> {
  if (savings && savings.length > 0) {
    const message = `savings belong to one model; name a registered recipe in ${name}, such as MODEL@fast for MODEL`;
    throw new HttpError(400, message, { param: "savings" });
  }
  const chosen: Record<string, Chosen> = {};
  for (const [role, model] of Object.entries(roles)) {
    chosen[role] = await catalogue.choose({ model, keep_alive });
    checkDecoder(chosen[role]);
  }
  return chosen;
}
