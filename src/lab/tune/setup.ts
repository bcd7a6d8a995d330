import { createHash } from "node:crypto";
import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { effectiveSampling } from "../../engine/decode/sampling/defaults.ts";
import type { Model } from "../../library/model.ts";
import type { LossName } from "../../savings/auto/certificate.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { adapterHash } from "../../weights/adapter/record.ts";
import { count, figure } from "../report/format.ts";
import { acting, declared, type Exclusion, own, undeclared, union } from "./candidates.ts";
import { type Attempt, attemptOf, confidenceOf, earlierAttempts, type Identity } from "./folder.ts";
import { promptHashes, type ServedItem, type TuningItems, tuningItems } from "./items.ts";
import { checkLoss, lossType, usualLoss } from "./losses.ts";
import type { TuneOptions } from "./options.ts";
import { type Outlook, outlookOf } from "./outlook.ts";
import type { TunedPair } from "./pair/models.ts";
import { commonSampling, forBoth, pairMinutes, requirePlain, requireScored, weightsOf } from "./pair/setup.ts";
import { routeCandidates, waysOf } from "./pair/ways.ts";
import type { Candidate, Problem } from "./problem.ts";
import { drawingOf, ModelServing } from "./served.ts";
import { split } from "./split.ts";
import { timedItems } from "./times.ts";
import { neededText } from "./words.ts";

export interface Request {
  readonly model: Model;
  readonly task: string;
  readonly options: TuneOptions;
  /** The user's own candidates, instead of the ones that savings declare. */
  readonly candidates: readonly Recipe[] | undefined;
  readonly adapter: string | undefined;
  readonly force: boolean;
  readonly version: string;
  /** The address of Redis, through which other processes compute the losses; if undefined, this process does. */
  readonly queue?: string | undefined;
  /** The pair's name and first model, if a pair is tuned; `model` is then the second model, which is dense. */
  readonly pair?: TunedPair | undefined;
}

export interface Setup {
  readonly request: Request;
  readonly items: TuningItems;
  readonly loss: LossName;
  readonly candidates: readonly Candidate[];
  readonly excluded: readonly Exclusion[];
  readonly identity: Identity;
  /** Short hashes of the prompts, which identify earlier attempts. */
  readonly prompts: readonly string[];
  readonly attempt: number;
  /** Earlier attempts on the same task. */
  readonly earlier: readonly Attempt[];
  readonly problem: Problem<ServedItem>;
  readonly outlook: Outlook;
}

/** Reads everything that a tuning run needs, and runs nothing. @throws UserError */
export async function setUp(request: Request, signal?: AbortSignal): Promise<Setup> {
  const { model, task, options, force, pair } = request;
  const { language } = model;
  if (pair) requirePlain(pair, model);
  const read = await tuningItems(task, pair?.swift.language ?? language, itemOptions(options, signal));
  const items = pair ? forBoth(pair, read, language) : read;
  const samplingOf = (of: Model) => effectiveSampling(drawingOf(of, options.temperature));
  const sampling = pair ? commonSampling(pair, samplingOf(pair.swift), samplingOf(model)) : samplingOf(model);
  const setting = { metric: items.metric, greedy: (sampling["temperature"] ?? 0) === 0 };
  const loss = options.loss ?? usualLoss(setting);
  checkLoss(loss, setting);
  if (pair && loss === "nats") requireScored(pair, model, setting.greedy);
  const { candidates, excluded } = pair
    ? { candidates: routeCandidates(waysOf(pair.name)), excluded: [] }
    : await actingIn(request, items);
  const { risk, confidence } = options;
  const identity: Identity = {
    ...{ model: pair?.name.name ?? language.source.name, ...(await hashed(language)) },
    ...(pair && { swift: await weightsOf(pair.swift.language) }),
    ...(request.adapter !== undefined && { adapter: adapterHash(request.adapter) }),
    ...{ task, items: items.items.length, items_hash: itemsHash(items.items), prompt: items.prompt, sampling },
    ...{ loss, ...(items.metric && { metric: items.metric.name }), risk, confidence, cost: options.cost },
    ...{ candidates: candidates.map(({ recipe }) => recipe), version: request.version },
  };
  const prompts = promptHashes(items.items);
  const attempt = attemptOf(options.name, identity, prompts, force);
  const earlier = earlierAttempts(identity, prompts).slice(0, attempt - 1);
  const bound = { risk, confidence: confidenceOf(confidence, attempt) };
  const type = lossType(loss, setting);
  const outlook = outlookOf(items.items, type, bound);
  const problem = { items: items.items, candidates, type, bound, ...(!pair && { union }) };
  return { request, items, loss, candidates, excluded, identity, prompts, attempt, earlier, problem, outlook };
}

async function hashed(language: LanguageModel): Promise<Pick<Identity, "model_hash" | "form" | "codes">> {
  const { model, ...form } = await weightsOf(language);
  return { model_hash: model, ...form };
}

/** The candidates that can act in one model. */
async function actingIn({ model: { language }, candidates }: Request, { items }: TuningItems) {
  const { layers } = language.decoder.config;
  const wished = candidates ? own(candidates) : declared(layers);
  const lengths = items.map(({ tokens }) => tokens);
  const { candidates: able, excluded } = await acting(wished, lengths, async (recipe) => {
    const [idle] = recipe.flatMap(({ saving }) => saving.idle?.(language.form) ?? []);
    if (idle !== undefined) throw new UserError(idle);
    using _ = await language.use(recipe);
  });
  return { candidates: able, excluded: [...excluded, ...(candidates ? [] : undeclared(layers))] };
}

const itemOptions = ({ seed, limit, maxTokens }: TuneOptions, signal: AbortSignal | undefined) => ({
  ...{ seed, limit, maxTokens },
  ...(signal && { signal }),
});

function itemsHash(items: readonly ServedItem[]): string {
  const hash = createHash("sha256");
  for (const { id, group } of items) hash.update(`${id} ${group}\n`);
  return hash.digest("hex");
}

/** @throws UserError if the items cannot certify the risk, whatever the answers */
export function requireEnough({ outlook, problem, request, candidates, attempt }: Setup): void {
  const { items, groups, test, best, wanted } = outlook;
  const what = groups === items ? "item" : "group";
  if (groups === 1 && items > 1)
    throw new UserError(
      `${request.task}: its ${items} items are one group, since their prompts or groups are equal; expected ${wanted.all} groups`,
    );
  if (best > problem.bound.risk)
    throw new UserError(
      `${request.task}: ${count(groups, what)} leave ${test} for the test, which can certify ${figure(best)} at best; --risk ${problem.bound.risk}${attempt > 1 ? ` in attempt ${attempt}` : ""} needs ${neededText(wanted, what)}`,
    );
  if (candidates.length === 0) throw new UserError("no candidate can act here; --dry-run shows the reasons");
}

/** Estimates a tuning run's maximum minutes from dense's answers to three items. */
export async function minutesOf(setup: Setup, signal?: AbortSignal) {
  const { problem, request, items, loss } = setup;
  const parts = split(problem.items, problem.type, problem.bound);
  if (request.pair) return await pairMinutes({ ...request, pair: request.pair }, { ...parts, loss }, signal);
  using serving = await ModelServing.open(request.model, request.options.temperature, signal);
  const three = timedItems(items.items, 3);
  await serving.answer("dense", three[0]!);
  const started = performance.now();
  for (const item of three) {
    const served = await serving.answer("dense", item);
    if (loss === "nats") await serving.excess(item, [served]);
  }
  const item = (performance.now() - started) / three.length / 60_000;
  const runs = problem.candidates.length + 1;
  return { search: item * runs * (parts.search.length + 12), test: 2 * item * parts.test.length };
}
