import type { Chunk } from "../../index.ts";
import { lookupPipeline } from "../../pipelines/registry.ts";
import type { NamedText, ShownPiece } from "../../pipelines/text-pipeline.ts";
import { isPairCertificate } from "../../savings/auto/certificate.ts";
import { UserError } from "../../util/errors.ts";
import type { JsonObject } from "../../weights/json.ts";
import { home } from "../../weights/sources/home.ts";
import type { Destination } from "../fleet/fleet.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { ModelChoice } from "../models/served.ts";
import { pooledIndex } from "../routes/search.ts";
import { billFor, type ServerContext } from "../server-context.ts";
import { type Ask, billedParts, ceilingOf, type Part } from "./answers.ts";
import type { Naming } from "./naming.ts";
import { checkDecoder, Purse } from "./pooled-model.ts";
import { isRemote, type PipelineRequest, PooledResources } from "./pooled-resources.ts";

/**
 * Chooses a pipeline's models by role; `usual`: the default savings.
 * @throws HttpError for savings, which belong to one model, and for a model that is missing or does not generate text
 */
export async function choosePipeline(
  { catalogue, fleet }: Pick<ServerContext, "catalogue" | "fleet">,
  pipeline: NamedText,
  { savings, keep_alive }: Naming,
  usual: readonly string[],
): Promise<Pick<PipelineRequest, "named" | "chosen">> {
  const named = underSavings(pipeline, savings, usual);
  const { serving } = named.pipeline;
  const recipe = serving && !savings ? usual : [];
  const chosen: Record<string, ModelChoice | Destination> = {};
  for (const [role, model] of Object.entries(named.roles)) {
    const one = (serving && fleet.find(model)) ?? (await catalogue.choose({ model, keep_alive }, recipe));
    // Pipelines with `checkModels` check their models themselves.
    if (!isRemote(one) && !named.pipeline.checkModels) checkDecoder(one);
    chosen[role] = one;
  }
  return { named, chosen };
}

/** The certificate among the default savings, if the pipeline is named without options. */
const certificateFor = ({ pipeline, optionText }: NamedText, usual: readonly string[]): readonly string[] =>
  pipeline.certified && optionText === "" ? usual.filter(isPairCertificate).slice(0, 1) : [];

/**
 * Replaces a pipeline's options with a certificate (`auto:NAME`), the only saving it accepts.
 * @throws HttpError for other savings
 */
function underSavings(named: NamedText, savings: Naming["savings"], usual: readonly string[]): NamedText {
  const [saving, ...others] = savings ?? certificateFor(named, usual);
  if (saving === undefined) return named;
  const { certified, serving } = named.pipeline;
  const { byDefault: _, ...strict } = named;
  if (certified && others.length === 0 && saving.startsWith("auto:"))
    return { ...(savings ? strict : named), optionText: saving };
  const message =
    serving?.noSavings ??
    `savings apply to one model; in ${named.name}, write a registered recipe such as MODEL@fast for MODEL`;
  throw new HttpError(400, message, { param: "savings" });
}

/**
 * Answers with a request's model, through a pipeline that may search an index first.
 * @throws HttpError for an unknown name
 */
export async function lookupAnswer(
  context: ServerContext,
  path: string,
  input: Naming & Readonly<Record<string, unknown>>,
  {
    options,
    index: name,
  }: { readonly options: Parameters<typeof lookupPipeline.over>[1]; readonly index: string | undefined },
  ask: Ask,
  call: Call,
): Promise<AsyncGenerator<Part, void>> {
  const { catalogue } = context;
  const model = await catalogue.choose(input, catalogue.usualFor(call.key?.terms));
  checkDecoder(model);
  const named = lookupPipeline.over(model.served.id, options);
  const index = name === undefined ? undefined : pooledIndex(context, name, call);
  const posted = { path, input: input as JsonObject };
  return pipelineAnswers(context, { named, chosen: { model }, index, call, posted }, [ask]);
}

/** Generates each requested answer with a pipeline, and bills them together. */
export async function* pipelineAnswers(
  context: ServerContext,
  request: PipelineRequest,
  asks: readonly Ask[],
): AsyncGenerator<Part, void> {
  const { named, call, posted, settings } = request;
  refuse(request, asks);
  const ceiling = ceilingOf(asks, context.limits, call.key);
  const all = asks.map(() => new PooledResources(context, request, new Purse(ceiling.flops)));
  const prepared = await withoutHome(() => named.pipeline.prepare?.(named, all[0]!));
  using bill = billFor(context, named.name, call);
  const controller = new AbortController();
  const signal = AbortSignal.any([call.signal, controller.signal]);
  const { onStopped, arrived, ...turn } = bill.terms;
  const terms = { settings, signal, onStopped, arrived, whole: posted.input["stream"] !== true };
  const answer = async ({ prompt, options }: Ask, choice: number) => {
    const resources = all[choice]!;
    const ask = { prompt, options: { ...options, ...turn, ceiling }, ...terms };
    return parts(named, resources, await named.pipeline.answer(named, resources, ask, prepared));
  };
  const runs = await withoutHome(() => Promise.all(asks.map(answer)));
  yield* billedParts(bill, runs, () => controller.abort());
}

/** Converts a pipeline's pieces to a model's chunks, and adds the pipeline's answer field. */
async function* parts(
  { pipeline }: PipelineRequest["named"],
  resources: PooledResources,
  pieces: AsyncGenerator<ShownPiece, void>,
): AsyncGenerator<Chunk & Omit<Part, "choice" | "receipt">, void> {
  const { field, first } = pipeline.shows;
  for await (const { tokens, shown, role, ...piece } of pieces) {
    const tokenizer = await resources.tokenizer(role);
    const own = shown === undefined ? {} : { shown: { [field]: shown }, ...(first && { shownFirst: true }) };
    yield { ...piece, tokens: [...tokens], tokenizer, ...own };
  }
}

/** The names of the request fields that set options, if they differ from the options' names. */
const fields: Readonly<Record<string, string>> = {
  logitBias: "logit_bias",
  promptLogprobs: "echo",
  maxTokens: "max_tokens",
};

/** @throws HttpError for fields that a pipeline's answers do not support */
function refuse({ named, chosen }: PipelineRequest, asks: readonly Ask[]): void {
  const remote = Object.fromEntries(Object.entries(named.roles).filter(([role]) => isRemote(chosen[role]!)));
  for (const ask of asks) {
    const [option, why] = named.pipeline.serving?.refusal(ask, remote) ?? [];
    if (option === undefined) continue;
    const param = fields[option] ?? option;
    throw new HttpError(400, `${param}: ${why}`, { param });
  }
}

/** Removes the path of the home folder, where calibrations are stored, from errors. */
async function withoutHome<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new HttpError(400, error.message.replaceAll(home(), "MODICUM_HOME"), { param: "model" });
  }
}
