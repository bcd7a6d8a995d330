import { unaudited } from "../../savings/auto/audit-state.ts";
import type { Certificate } from "../../savings/auto/certificate.ts";
import { type Ladder, savingOf } from "../../savings/auto/ladder.ts";
import { bytesText, count, duration, figure, flopsText, percent } from "../report/format.ts";
import type { Exclusion } from "./candidates.ts";
import type { Shares } from "./certify.ts";
import type { GroupsNeeded } from "./outlook.ts";
import type { NearMiss, TuneResult } from "./run.ts";
import type { Verdict } from "./sequence.ts";
import type { Setup } from "./setup.ts";
import type { Cost } from "./times.ts";

/** A ladder as one line: its recipes, with their lengths if it has several ranges. */
export function ladderText(ladder: Ladder): string {
  if (ladder.length === 1) return savingOf(ladder[0]!.rungs);
  return ladder
    .map(({ tokens: [from, to], rungs }) => `${to === null ? `from ${from}` : `to ${to}`} tokens ${savingOf(rungs)}`)
    .join("; ");
}

/** The reasons why candidates were left out, one line for each family and reason. */
export function excludedLines(exclusions: readonly Exclusion[]): string[] {
  const alike = new Map<string, Exclusion[]>();
  for (const each of exclusions) {
    const key = `${each.family} ${each.reason}`;
    alike.set(key, [...(alike.get(key) ?? []), each]);
  }
  return [...alike.values()].map((some) => {
    const [{ family, reason }] = some as [Exclusion, ...Exclusion[]];
    return `${family}${some.length > 1 ? ` (${count(some.length, "setting")})` : ""} is left out: ${reason.replace(`${family}: `, "")}`;
  });
}

/** The risks that the items can certify. */
function outlookText({ outlook, problem }: Setup): string {
  const { items, groups, test, best, wanted } = outlook;
  const what = groups === items ? "item" : "group";
  const { risk } = problem.bound;
  return `${count(groups, what)} leave ${test} for the test, which certifies a risk of ${figure(best)} at best, if nothing is lost; a risk of ${risk} needs ${neededText(wanted, what)}`;
}

/** The number of items or groups that a test needs. */
export const neededText = ({ all, test }: GroupsNeeded, what: string): string =>
  `${count(all, what)} in the file, ${test} of them for the test`;

/** The lines of a dry run after the candidates. */
export function planLines(setup: Setup, minutes: { readonly search: number; readonly test: number }): string[] {
  const { excluded, loss, attempt, earlier, request } = setup;
  const after = earlier.map(({ name, created }) => `${name} (${created.slice(0, 10)})`).join(", ");
  const { budgetMinutes } = request.options;
  const over =
    minutes.search > budgetMinutes
      ? `: more than --budget-minutes ${budgetMinutes}, after which the search stops; repeat the command to continue`
      : "";
  return [
    ...excludedLines(excluded),
    `the loss is ${loss}; this is attempt ${attempt} on the task${after && `, after ${after}`}`,
    `at most about ${count(Math.ceil(minutes.search), "minute")} for the search, and ${count(Math.ceil(minutes.test), "minute")} for the test of one recipe${over}`,
    outlookText(setup),
  ];
}

/** A cost with its unit. */
export function costText(cost: number, by: Cost): string {
  switch (by) {
    case "ms":
      return duration(cost);
    case "flops":
      return flopsText(cost);
    case "bytes":
      return bytesText(cost);
  }
}

/** The p-value of a test or, if it ended early, the lowest value it could have reached. */
export const pText = ({ p, groups }: Verdict, { outlook }: Setup): string =>
  `${groups < outlook.test ? "≥ " : ""}${p.toPrecision(2)}`;

/** The result of a ladder that is not tested, because its gain may be noise. */
export const unsureText = ({ request }: Setup): string =>
  request.options.cost === "ms" ? "not provably faster" : "not cheaper";

/** The outcome in one or two sentences. */
export function verdictOf({ certificate, shares, near, outcome, setup }: TuneResult): string {
  const missed = near && ` ${[nearText(near), blockedText(near)].filter(Boolean).join(" ")}`;
  if (certificate === undefined || shares === undefined) {
    return `Nothing is certified, so all requests run dense. ${untestedText(outcome, setup) ?? missed?.trim() ?? "Nothing passed the test."}`;
  }
  return (
    `Certified: ${ladderText(certificate.ladder)}. Its expected loss is at most ${riskText(certificate)} with a confidence of ${certificate.confidence}; on ${count(certificate.items.groups, "test group")} it was ${figure(certificate.mean)} (p = ${certificate.p.toPrecision(2)}). ` +
    `${costSentence(certificate, shares)} ${lengthsText(certificate)}` +
    (setup.attempt > 1
      ? ` This is attempt ${setup.attempt} on this task, tested at an error probability of ${Number((1 - setup.problem.bound.confidence).toPrecision(3))}.`
      : "") +
    (missed ?? "")
  );
}

/** An answer's measured cost: first in the unit to save, then in time and FLOPs. */
function costSentence({ cost: { by, ms } }: Certificate, shares: Shares): string {
  const ci95 = ms.ci95.map(percent).join(" to ");
  const names: Readonly<Record<Cost, string>> = { ms: `time (${ci95} at 0.95)`, flops: "FLOPs", bytes: "bytes" };
  const all = [...new Set<Cost>([by, "ms", "flops"])].map(
    (each, i) => `${percent(shares[each])} of ${i === 0 ? "dense's" : "its"} ${names[each]}`,
  );
  return `An answer takes ${all.join(" and ")}: medians of ${count(shares.items, "item")}, each timed alternately with dense, which takes ${duration(ms.dense)}.`;
}

/** The requests that a certificate covers. */
function lengthsText({ lengths: [least, most], maxTokens }: NonNullable<TuneResult["certificate"]>): string {
  const answers = maxTokens === undefined ? "" : ` and answers of ${maxTokens} tokens at most`;
  return `It holds for prompts of ${least} to ${most} tokens${answers}; other prompts run dense.`;
}

/** The reason that nothing was tested; undefined if there was a test. */
function untestedText({ order, unsure }: TuneResult["outcome"], setup: Setup): string | undefined {
  if (order.length > 0) return undefined;
  if (unsure.length === 0 || setup.request.options.cost !== "ms")
    return "Nothing that survived the search is cheaper than dense.";
  return `Nothing that survived the search is provably faster than dense: ${count(unsure.length, "ladder")} may be faster by chance. No item of the test was answered, so this does not count as an attempt; --force times them again.`;
}

function riskText({ risk, loss, quality }: NonNullable<TuneResult["certificate"]>): string {
  if (quality === undefined) return `${risk} (${loss})`;
  return `${risk} (${loss}), ${percent(risk / quality)} of dense's ${figure(quality)}`;
}

function nearText({ verdict, early, more, next }: NearMiss): string {
  const p = verdict.p.toPrecision(2);
  const missed = `The nearest miss is ${ladderText(verdict.ladder)}: mean loss ${figure(verdict.mean)} on ${count(verdict.groups, "group")}, ${early ? `where the test ended, since p could not fall below ${p}` : `p = ${p}`}`;
  return more === undefined
    ? `${missed}; its loss is too close to the risk for more items to help.`
    : `${missed}; about ${count(more, "more item")} might certify it in attempt ${next.attempt}, at half the error.`;
}

/** The ladders left untested because of a failure; undefined if all were tested. */
function blockedText({ untested, next }: NearMiss): string | undefined {
  if (untested.length === 0) return undefined;
  const names = untested.map((ladder) => `"${ladderText(ladder)}"`).join(", ");
  return `${count(untested.length, "cheaper ladder")} behind it ${untested.length === 1 ? "was" : "were"} not tested: ${names}. --candidates with only their recipes starts attempt ${next.attempt}, at half the error: it needs ${neededText(next.needed, "group")}, if nothing is lost.`;
}

/** The reason that `serve --audit` skips a certificate's answers; undefined if it audits them. */
export function auditText(certificate: Certificate): string | undefined {
  const reason = unaudited(certificate);
  if (reason === undefined) return undefined;
  return `\`serve --audit\` skips its answers (${reason}): audits need greedy answers (--temperature 0) and a bound on nats`;
}
