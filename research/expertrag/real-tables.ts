import type { LookupReport } from "../../src/lab/lookup/policies.ts";
import { duration, figure, flopsText, percent, range, signed } from "../../src/lab/report/format.ts";
import { markdownTable } from "../../tools/section.ts";

const listed = (shares: Readonly<Record<string, number>>, write: (x: number) => string): string =>
  Object.entries(shares)
    .map(([name, share]) => `${name} ${write(share)}`)
    .join(", ");

function answersTable({ right, covered, uncovered }: LookupReport): string {
  const row = (name: string, key: "never" | "always") => [
    name,
    figure(right[key].contains),
    figure(right[key].exact),
    figure(covered[key]),
    figure(uncovered[key]),
  ];
  return markdownTable(
    ["retrieval", "right", "exact match", "right if a passage has the answer", "right if none has"],
    [row("never", "never"), row("always", "always")],
  );
}

const gatesTable = ({ gates }: LookupReport): string =>
  markdownTable(
    ["gate", "AUROC", "above random", "shuffled", "rate for always' accuracy", "accuracy there"],
    gates.map(({ gate, auroc, above_random, above_random_shuffled, by_accuracy }) => [
      gate,
      `${figure(auroc.mean)} ${auroc.ci95.every(Number.isFinite) ? range(auroc.ci95) : "(too few)"}`,
      `${signed(above_random.mean)} ${range(above_random.ci95, signed)}`,
      signed(above_random_shuffled),
      percent(by_accuracy.rate),
      figure(by_accuracy.accuracy),
    ]),
  );

const policiesTable = ({ policies, gates }: LookupReport): string =>
  markdownTable(
    ["policy", "looked up", "right", "against always", "tokens", "FLOPs", "by its parts", "time", "right, reweighted"],
    [...policies, ...gates.map(({ half }) => half)].map((one) => [
      one.policy,
      percent(one.rate),
      figure(one.accuracy),
      one.policy === "always" ? "" : `${signed(one.delta.mean)} ${range(one.delta.ci95, signed)}`,
      one.tokens.toFixed(0),
      flopsText(one.flops),
      flopsText(one.predicted_flops),
      duration(one.ms),
      figure(one.natural.accuracy),
    ]),
  );

function modelSection(result: LookupReport): string {
  const { model, by_set, coverage, fixes, breaks } = result;
  return [
    `### ${model}`,
    `${listed(by_set, String)} questions. Three passages have the answer for ${percent(coverage.here)} of these, and for ${percent(coverage.all)} of all. ` +
      `Retrieval puts ${percent(fixes)} of the answers right and ${percent(breaks)} wrong.`,
    answersTable(result),
    gatesTable(result),
    policiesTable(result),
  ].join("\n\n");
}

/** The page's tables, a model each. */
export const section = (results: readonly LookupReport[]): string => results.map(modelSection).join("\n\n");
