import type { EvidenceInput, Explanation } from "../index.ts";
import { evidenceDocument } from "../library/classify-pipeline.ts";
import { labelsOfFlags } from "../pipelines/qzero/labels.ts";
import { qzeroOptions } from "../pipelines/qzero/options.ts";
import type { QZeroResult } from "../pipelines/qzero/qzero.ts";
import type { Contribution } from "../pipelines/qzero/scorer.ts";
import { jsonLines } from "../util/data/jsonl.ts";
import { parseRow } from "../util/data/row.ts";
import { UserError } from "../util/errors.ts";
import type { EncodeFlags } from "./encode.ts";
import { flagOf, givenFlags } from "./flags.ts";
import { interruptSignal } from "./interrupt.ts";
import { columns, print, printJson } from "./output.ts";
import { showDownload } from "./progress.ts";
import { billed } from "./session.ts";
import { formGiven } from "./weights-form.ts";

/** The flags of `classify --via qzero`. */
export interface LookupFlags extends EncodeFlags {
  labels?: string[];
  index?: string;
  store?: string;
  evidence?: string;
  explain?: boolean;
}

/** Flags that only `--via qzero` has. */
const OWN = ["index", "store", "evidence", "explain", ...Object.keys(qzeroOptions.shape)];

/** @throws UserError for flags that have no effect without `--via qzero` */
export function refuseLookupFlags(flags: Readonly<Record<string, unknown>>): void {
  const own = OWN.find((key) => flags[key] !== undefined);
  if (own) throw new UserError(`${flagOf(own)} is for --via qzero; add it, or leave the flag out`, 2);
}

/** Classifies a text by the categories of documents, and prints the labels, the best first. */
export async function classifyByLookup(
  textOf: (signal: AbortSignal) => Promise<string>,
  flags: LookupFlags,
): Promise<void> {
  const { model, labels, index, store, adapter, json, explain } = flags;
  if (!labels) throw new UserError("--via qzero needs --labels a,b,…", 2);
  if (adapter !== undefined) throw new UserError("--adapter is not for --via qzero", 2);
  if (index === undefined && flags.evidence === undefined)
    throw new UserError("--via qzero needs --index NAME, or --evidence FILE", 2);
  if (index !== undefined && flags.evidence !== undefined)
    throw new UserError("--evidence takes the place of --index; expected one of them, got both", 2);
  const qzero = givenFlags(qzeroOptions, flags);
  const signal = interruptSignal();
  const text = await textOf(signal);
  const evidence = flags.evidence === undefined ? undefined : [await documentsOf(flags.evidence)];
  using download = showDownload(model);
  const { openClassifier } = await import("../library/classify-pipeline.ts");
  await using classifier = await openClassifier(model, {
    ...formGiven(flags),
    index,
    store,
    qzero,
    signal,
    ...download,
  });
  await billed(async (onStopped) => {
    const asked = { evidence, explain, signal, onStopped };
    const { results, receipt } = await classifier.classify([text], labelsOfFlags(labels), asked);
    if (json) printJson({ ...results[0]!, receipt });
    else printResult(results[0]!);
    return receipt;
  });
}

/** Documents of JSON lines, in their order. */
async function documentsOf(file: string): Promise<EvidenceInput[]> {
  const documents: EvidenceInput[] = [];
  for await (const row of jsonLines(file)) documents.push(parseRow(evidenceDocument, row));
  return documents;
}

function printResult({ label, scores, retrieved, fallback, explanation }: QZeroResult): void {
  const ranked = Object.entries(scores).sort(([, a], [, b]) => b - a);
  if (label === null) print("no word of the text is known");
  else print(...columns(ranked.map(([name, score]) => [name, score.toFixed(4)])));
  if (explanation) for (const lines of explained(explanation, { retrieved, fallback })) print(...lines);
}

const MOST_PRINTED = 10;

function explained(
  { documents, categories, keywords }: Explanation,
  { retrieved, fallback }: Pick<QZeroResult, "retrieved" | "fallback">,
): string[][] {
  if (!retrieved) return [["not looked up: its two best labels are not close"]];
  if (fallback) return [["looked up, and decided by itself: no category was found"]];
  const found = columns(documents.slice(0, MOST_PRINTED).map(({ id, title }) => [id, title]));
  const all = [
    ["", "documents", ...found],
    ["", "categories", ...parts(categories)],
    ["", "keywords", ...parts(keywords)],
  ];
  return all.filter(({ length }) => length > 2);
}

const parts = (all: readonly Contribution[]): string[] =>
  columns(
    all
      .slice(0, MOST_PRINTED)
      .map(({ name, count, contribution }) => [contribution?.toFixed(4) ?? "", String(count), name]),
  );
