import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import {
  type Certificate,
  certificateFile,
  certificateSchema,
  keepCertificate,
  readCertificate,
  type Weights,
} from "../../savings/auto/certificate.ts";
import { type Ladder, rungsAt, savingAt } from "../../savings/auto/ladder.ts";
import { UserError } from "../../util/errors.ts";
import { mean } from "../../util/mean.ts";
import { writeJson } from "../../util/write-whole.ts";
import { readOptionalJson } from "../../weights/json-file.ts";
import { count, figure, percent } from "../report/format.ts";
import { type AnswerLine, KeptAnswers } from "./answers.ts";
import { certificateOf, type Shares } from "./certify.ts";
import { isCheaper, isSurelyFaster } from "./cheaper.ts";
import { costOf } from "./fit.ts";
import { beginTuning, checkTuning, claimAttempt, confidenceOf, removeTuning, tuningFolder } from "./folder.ts";
import type { ServedItem } from "./items.ts";
import { ladderLoss, type RatedLadder } from "./ladders.ts";
import { natsBound } from "./nats-bound.ts";
import { type GroupsNeeded, needed, wantedGroups } from "./outlook.ts";
import { LoadedPair } from "./pair/models.ts";
import { PairServing } from "./pair/serving.ts";
import { RoutedTimes } from "./pair/times.ts";
import { waysOf } from "./pair/ways.ts";
import type { Answers } from "./problem.ts";
import { lossesOf } from "./race.ts";
import type { Verdict } from "./sequence.ts";
import { type Losses, ModelServing, type Serving } from "./served.ts";
import { requireEnough, type Setup } from "./setup.ts";
import { split } from "./split.ts";
import { Times } from "./times.ts";
import { type Outcome, tune } from "./tune.ts";

/** A new answer, with the part's losses under its recipe so far, and the part's total number of items. */
export interface Progress {
  readonly part: "search" | "test";
  readonly line: AnswerLine;
  readonly losses: readonly number[];
  readonly of: number;
}

export interface Watcher {
  notice(sentence: string): void;
  answered(progress: Progress): void;
  /** Called after each timed answer, with the number of answers timed in this round, and the total. */
  timed(done: number, of: number): void;
}

export interface TuneResult {
  readonly setup: Setup;
  readonly outcome: Outcome<ServedItem>;
  /** Undefined if nothing is certified. */
  readonly certificate: Certificate | undefined;
  /** The measured cost of answers under the certificate. */
  readonly shares: Shares | undefined;
  readonly near: NearMiss | undefined;
  /** Dense, and every recipe that survived the race, with its mean loss on the search items and its mean price. */
  readonly rated: readonly { readonly recipe: string; readonly loss: number; readonly price: number }[];
  /** Candidates that lost too much, with their mean loss and the number of items they answered. */
  readonly dropped: readonly { readonly recipe: string; readonly loss: number; readonly items: number }[];
  readonly folder: string;
}

/** The ladder that failed the test. */
export interface NearMiss {
  readonly verdict: Verdict;
  /** True if some groups were not answered, since the ladder had failed whatever their losses would be. */
  readonly early: boolean;
  /** The approximate number of further items needed in the next attempt; undefined if no number would help. */
  readonly more: number | undefined;
  /** Cheaper ladders, not tested because this ladder failed. */
  readonly untested: readonly Ladder[];
  /** The next attempt on these items, and the number of groups that it needs if nothing is lost. */
  readonly next: { readonly attempt: number; readonly needed: GroupsNeeded };
}

const orderSchema = z.array(z.unknown());

/**
 * Tunes: computes missing answers, and writes a certificate if one results.
 * @throws UserError if the budget of minutes runs out before the test
 */
export async function runTuning(setup: Setup, watcher: Watcher, signal?: AbortSignal): Promise<TuneResult> {
  const { model, options, pair, queue } = setup.request;
  const { temperature } = options;
  if (pair) {
    using models = await LoadedPair.open(pair, model, waysOf(pair.name), temperature, signal);
    return await tuned(setup, new PairServing(models, signal), watcher, signal);
  }
  using serving = await ModelServing.open(model, temperature, signal);
  if (queue === undefined) return await tuned(setup, serving, watcher, signal);
  // The queue's libraries are loaded only if needed.
  const { LossQueue } = await import("../queue/loss-queue.ts");
  await using losses = await LossQueue.open(queue, setup, serving, (sentence) => watcher.notice(sentence), signal);
  return await tuned(setup, serving, watcher, signal, losses);
}

/** Like `runTuning`, with any source of answers: `serving` is timed, and losses come from `losses`. */
export async function tuned(
  setup: Setup,
  serving: Serving,
  watcher: Watcher,
  signal?: AbortSignal,
  losses: Losses = serving,
): Promise<TuneResult> {
  const { options, force } = setup.request;
  const { name } = options;
  checkTuning(name, setup.identity, force);
  requireEnough(setup);
  await beginTuning(name, setup.identity, force);
  const folder = tuningFolder(name);
  const parts = split(setup.problem.items, setup.problem.type, setup.problem.bound);
  const pair = serving instanceof PairServing ? serving : undefined;
  await using _ = await pair?.begin(folder, parts.search);
  const started = performance.now();
  let part: "search" | "test" = "search";
  const lossesIn = (recipe: string, items: readonly ServedItem[]) =>
    items.flatMap((item) => answers.held(recipe, item)?.loss ?? []);
  const onAnswer = (line: AnswerLine) =>
    watcher.answered({ part, line, losses: lossesIn(line.recipe, parts[part]), of: parts[part].length });
  await using answers = await KeptAnswers.open(
    folder,
    { name: setup.loss, type: setup.problem.type },
    losses,
    signal,
    onAnswer,
  );
  const onTime: Watcher["timed"] = (...at) => watcher.timed(...at);
  await using times = pair
    ? await RoutedTimes.open(folder, pair, parts.search, signal, onTime)
    : await Times.open(folder, serving, parts.search, signal, onTime);
  const inTime = () => {
    if (part === "search" && performance.now() - started > options.budgetMinutes * 60_000)
      throw new UserError(
        `the budget of ${count(options.budgetMinutes, "minute")} ran out before the test; repeat the command to continue`,
      );
  };
  if (setup.loss === "harm" || setup.loss === "quality") {
    for (const [i, item] of parts.search.entries()) {
      answers.announce(parts.search.slice(i), () => []);
      if (!answers.held("dense", item)) inTime();
      await answers.of("dense", item);
    }
    const qualities = parts.search.map((item) => answers.held("dense", item)!.quality!);
    const unfit = qualityFault(setup, qualities);
    if (unfit !== undefined) {
      await removeTuning(name);
      throw unfit;
    }
    watcher.notice(riskInWords(setup, mean(qualities)));
  }
  // Thresholds follow from Swift's scores on all search items.
  if (pair)
    for (const [i, item] of parts.search.entries()) {
      if (!pair.holds("swift", item)) inTime();
      const { tokens, ms } = await pair.of("swift", item);
      const line = { recipe: "Swift", item: item.id, loss: 0, text: "", ids: "", tokens: tokens.length, ms };
      watcher.answered({ part, line, losses: Array(i + 1).fill(0), of: parts.search.length });
    }
  const priceOf = (recipe: string) => {
    const fit = times.fit(recipe, options.cost);
    return (item: { readonly id: string; readonly tokens: number }) =>
      costOf(fit, item.tokens, answers.held("dense", item)!.tokens);
  };
  const source: Answers<ServedItem> = {
    lossOf: async (recipe, item) => (await answers.of(recipe, item)).loss,
    async answer(recipes, item) {
      if (recipes.some((recipe) => !answers.held(recipe, item))) inTime();
      await answers.all(recipes, item);
    },
    announce: (items, recipesOf) => answers.announce(items, recipesOf),
    async pricesOf(recipes) {
      // Withdraws announced items, so that nothing else runs here during timing.
      answers.announce([], () => []);
      await times.measure(recipes);
      return recipes.map(priceOf);
    },
    isCheaper(ladder) {
      const pairs = times.pairs((tokens) => savingAt(ladder, tokens), options.cost);
      return options.cost === "ms" ? isSurelyFaster(pairs) : isCheaper(pairs);
    },
  };
  const outcome = await tune(setup.problem, source, {
    async ordered(order) {
      if (order.length > 0) await claimAttempt(name, setup.prompts, setup.attempt);
      await keepOrder(folder, order);
      part = "test";
    },
  });
  const survivors = outcome.survivors.map(({ recipe }) => recipe);
  const rated = ["dense", ...survivors].map((recipe) => ({
    recipe,
    loss: mean(lossesIn(recipe, parts.search)),
    price: mean(parts.search.map(priceOf(recipe))),
  }));
  const dropped = setup.candidates
    .filter(({ recipe }) => !survivors.includes(recipe))
    .map(({ recipe }) => ({ recipe, losses: lossesIn(recipe, parts.search) }))
    .map(({ recipe, losses }) => ({ recipe, loss: mean(losses), items: losses.length }));
  const near = nearMiss(setup, outcome, (recipe, item) => answers.held(recipe, item)?.loss);
  const { chosen, verdicts, test } = outcome;
  // The tested ladders share the error equally.
  const confidence = 1 - (1 - setup.problem.bound.confidence) / verdicts.length;
  const nats =
    chosen && !pair && setup.loss !== "nats" && isGreedy(setup)
      ? await natsBound(chosen.ladder, test, confidence, { folder, answers, serving, signal })
      : undefined;
  const result = chosen && (await certificateOf(setup, outcome, chosen, answers, times, nats));
  const bound = pair && result && { pair: boundTo(setup, pair.routes(result.certificate.ladder)) };
  const certificate = result && { ...result.certificate, ...bound };
  if (certificate && !isKept(name, certificate)) await keepCertificate(name, certificate);
  return { setup, outcome, certificate, shares: result?.shares, near, rated, dropped, folder };
}

/** The fields that only a pair's certificate has. */
const boundTo = ({ identity }: Setup, routes: Record<string, string>): Certificate["pair"] => ({
  ...{ name: identity.model, swift: identity.swift as Weights, routes },
});

/** True if the certificate already exists with these contents: writing it again would restart its audit. */
function isKept(name: string, certificate: Certificate): boolean {
  if (!existsSync(certificateFile(name))) return false;
  const { created } = certificate;
  return JSON.stringify({ ...readCertificate(name), created }) === JSON.stringify(certificateSchema.parse(certificate));
}

/** @throws UserError if the stored order differs: the test may have begun on it */
async function keepOrder(folder: string, order: readonly RatedLadder[]): Promise<void> {
  const file = path.join(folder, "order.json");
  const held = readOptionalJson(file, orderSchema);
  if (held === undefined) return order.length > 0 ? writeJson(file, order) : undefined;
  if (JSON.stringify(held) !== JSON.stringify(order))
    throw new UserError(`${file}: the stored test order does not match the answers and times; --force discards it`);
}

function nearMiss(
  { problem, outlook, attempt, request }: Setup,
  { verdicts, search, test, order }: Outcome<ServedItem>,
  lossOf: (recipe: string, item: ServedItem) => number | undefined,
): NearMiss | undefined {
  const verdict = verdicts.at(-1);
  if (verdict === undefined || verdict.certified) return undefined;
  // A test that ends early always ends with a loss, so the mean also includes the search items.
  const answered = [...search, ...test].filter((item) => {
    const rungs = rungsAt(verdict.ladder, item.tokens).filter((rung) => rung !== "dense");
    return rungs.every((rung) => lossOf(rung, item) !== undefined);
  });
  const losses = lossesOf(
    problem.type,
    answered,
    answered.map((item) => ladderLoss(verdict.ladder, item, (recipe) => lossOf(recipe, item)!)),
  );
  const next = attempt + 1;
  const bound = { risk: problem.bound.risk, confidence: confidenceOf(request.options.confidence, next) };
  const groups = wantedGroups(losses.values, losses.type, bound);
  return {
    verdict,
    early: verdict.groups < outlook.test,
    more: groups && Math.max(1, Math.ceil(1.5 * groups) - outlook.groups),
    untested: order.slice(verdicts.length).map(({ ladder }) => ladder),
    next: { attempt: next, needed: needed(losses.type, bound) },
  };
}

/** The risk in words, with its share of dense's quality. */
const riskInWords = ({ problem, items }: Setup, quality: number): string =>
  `${items.metric!.name} may fall by at most ${figure(problem.bound.risk)} below dense's, ${figure(quality)} on the search items: by ${percent(problem.bound.risk / quality)} of dense's`;

const isGreedy = ({ identity: { sampling } }: Setup): boolean => (sampling["temperature"] ?? 0) === 0;

/** The error if dense is right so rarely that no recipe could exceed the risk; undefined otherwise. */
function qualityFault({ problem, items }: Setup, qualities: readonly number[]): UserError | undefined {
  const quality = mean(qualities);
  const { risk } = problem.bound;
  if (risk <= quality / 4) return undefined;
  return new UserError(
    `--risk: ${risk} is more than a quarter of dense's ${items.metric!.name}, which is ${figure(quality)} on the ${qualities.length} search items; expected at most ${figure(quality / 4)}`,
    2,
  );
}
