import { isIds } from "../../engine/decode/language-model.ts";
import type { Chunk, RunOptions } from "../../index.ts";
import { certificateFor, ruleUnder } from "../../library/certified-route.ts";
import { deciderOf, pairOf } from "../../library/pipeline.ts";
import type { ModelIdentity } from "../../pipelines/identity.ts";
import type { PairIdentity } from "../../pipelines/route/record.ts";
import { type Decider, type Route, route } from "../../pipelines/route/route.ts";
import type { Choice } from "../../savings/auto/guarantee.ts";
import { UserError } from "../../util/errors.ts";
import { home } from "../../weights/sources/home.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Destination } from "../fleet/fleet.ts";
import { type Posted, RemoteModel } from "../fleet/remote-model.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { ChosenPair } from "../models/pairs.ts";
import { type Chosen, formOfServed } from "../models/served.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";
import { type Ask, billedParts, ceilingOf, type Part } from "./answers.ts";
import { checkDecoder, PooledModel, Purse } from "./pooled-model.ts";

/** A pair's models, and the rule of each ask. */
interface Opened {
  readonly pair: PairIdentity;
  readonly rules: readonly Rule[];
}

/** Under a certificate, the rule is one request's own. */
interface Rule {
  readonly decider: Decider;
  readonly choice?: Choice;
}

type Piece = Chunk & Pick<Part, "route" | "tokenizer">;

/** Answers each of a request's asks by one of two models, and bills both once. Each call of a model leases it, so that no pair holds one while it waits for the other. */
export async function* routedAnswers(
  context: ServerContext,
  chosen: ChosenPair,
  asks: readonly Ask[],
  call: Call,
  posted: Posted,
): AsyncGenerator<Part, void> {
  refuse(chosen, asks);
  const { pair, rules } = await open(context, chosen, asks, call);
  using bill = billFor(context, chosen.named.name, call);
  const left = new AbortController();
  const signal = AbortSignal.any([call.signal, left.signal]);
  const { onStopped, ...turn } = bill.terms;
  const terms = { ...turn, ceiling: ceilingOf(asks, context.limits, call.key) };
  const runs = asks.map(({ prompt, options }, i) => {
    const ask = { prompt, options: { ...options, ...terms, signal, onStopped } };
    return answered(context, chosen, pair, rules[i]!, ask, call, posted);
  });
  yield* billedParts(bill, runs, () => left.abort());
}

async function* answered(
  context: ServerContext,
  chosen: ChosenPair,
  pair: PairIdentity,
  { decider, choice }: Rule,
  { prompt, options: { signal, onStopped, arrived, budget, ...options } }: Ask,
  call: Call,
  posted: Posted,
): AsyncGenerator<Piece, void> {
  const purse = new Purse(options.ceiling?.flops);
  const swift = new PooledModel(context, chosen.swift, pair.swift, purse, call);
  const strong = isRemote(chosen.super)
    ? new RemoteModel(context, chosen.super, pair.super.name, posted, call)
    : new PooledModel(context, chosen.super, pair.super, purse, call);
  const { name, given } = chosen.named;
  const named = { model: name, recipe: choice?.recipe ?? [given === "" ? "route" : `route:${given}`], choice };
  const whole = posted.input["stream"] !== true;
  // Without a certificate either model refuses a budget.
  const asked = choice ? options : { ...options, budget };
  const terms = { ...decider, named, options: asked, signal, onStopped, arrived, whole };
  let tokenizer: Tokenizer | undefined;
  for await (const { tokens, ...piece } of route({ swift, super: strong }, prompt, terms)) {
    tokenizer ??= tokenizerOf(piece.route!, swift, strong);
    yield { ...piece, tokens: [...tokens], tokenizer };
  }
}

/** The tokens of another server's model are unknown; no field then asks for them. */
const tokenizerOf = ({ to }: Route, swift: PooledModel, strong: PooledModel | RemoteModel): Tokenizer =>
  (to === "super" && strong instanceof PooledModel ? strong : swift).tokenizer!;

const isRemote = (chosen: Chosen | Destination): chosen is Destination => "remote" in chosen;

/** @throws HttpError for fields that mean different things to two models, or that another server does not support */
function refuse({ named, super: strong }: ChosenPair, asks: readonly Ask[]): void {
  const [{ options } = { options: {} as RunOptions }] = asks;
  const no = (param: string, why: string): never => {
    throw new HttpError(400, `${param}: ${why}`, { param });
  };
  if (asks.some(({ prompt }) => prompt.length > 0 && isIds(prompt)))
    no("prompt", "token ids belong to one model, and a pair has two");
  if (options.logitBias) no("logit_bias", "token ids belong to one model, and a pair has two");
  if (options.promptLogprobs !== undefined) no("echo", "a pair gives no log-probabilities of prompts");
  if (options.maxTokens === 0) no("max_tokens", "expected at least 1 for a pair of models");
  if (!isRemote(strong)) return;
  const elsewhere = `${named.super} runs on another server, as part of a pair`;
  if (options.logprobs !== undefined) no("logprobs", `${elsewhere} it gives none`);
  if (options.tools) no("tools", `${elsewhere} it takes none`);
  if (options.suffix) no("suffix", `${elsewhere} it takes none`);
  if (options.infill) no("infill", `${elsewhere} it takes none`);
  if (options.mode) no("mode", `${elsewhere} it takes none`);
}

/** @throws HttpError, UserError if the models are one, or the pair is not calibrated or certified */
async function open(context: ServerContext, chosen: ChosenPair, asks: readonly Ask[], call: Call): Promise<Opened> {
  const { named, swift, super: strong } = chosen;
  for (const model of [swift, strong]) if (!isRemote(model)) checkDecoder(model);
  const other = isRemote(strong) ? remoteIdentity(named.super) : await identityOf(context, named.super, strong);
  const pair = pairOf(named.name, await identityOf(context, named.swift, swift), other);
  using lease = await leaseFor(context, swift, call);
  const onDegraded = (reason: string) => context.log.warn({ pair: named.name, reason }, "a pair's second model failed");
  const onNotice = (notice: string) => context.log.debug(notice);
  const rules = await withoutHome(() => {
    const { auto } = named.options;
    if (auto === undefined) {
      const decider = deciderOf(pair, named.options, lease.model, { onNotice });
      return asks.map(() => ({ decider }));
    }
    const certificate = certificateFor(pair, auto, formsOf(chosen), chosen.strict);
    return Promise.all(asks.map((ask) => ruleUnder(certificate, lease.model, ask.prompt, ask.options)));
  });
  for (const { choice } of rules as readonly Rule[])
    if (choice?.guarantee) context.pool.auditor?.passes(choice.guarantee.certificate);
  return { pair, rules: rules.map((rule: Rule) => ({ ...rule, decider: { ...rule.decider, onDegraded } })) };
}

/** The forms of both models' weights; of a model on another server nothing is known. */
const formsOf = ({ swift, super: strong }: ChosenPair) => ({
  swift: formOfServed(swift),
  super: isRemote(strong) ? {} : formOfServed(strong),
});

const remoteIdentity = (name: string): ModelIdentity => ({ name, recipe: [], quant: "auto" });

const identityOf = async ({ catalogue }: ServerContext, name: string, { served, recipe, quant }: Chosen) => ({
  ...{ name, sha256: await catalogue.hashOf(served.source), quant },
  recipe: recipe.map(({ text }) => text),
});

/** Hides from clients where calibrations are kept. */
export async function withoutHome<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new HttpError(400, error.message.replaceAll(home(), "MODICUM_HOME"), { param: "model" });
  }
}
