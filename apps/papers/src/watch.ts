import { setTimeout } from "node:timers/promises";
import type { Imported, ImportOptions, Papers } from "./papers.ts";
import { openWriter, type SummaryTerms, summarisePending } from "./summaries.ts";

const MINUTE = 60_000;

export interface WatchOptions extends Omit<ImportOptions, "signal"> {
  /** Minutes between two imports. */
  readonly every: number;
  /** Called after each import. */
  readonly onImported: (imported: Imported) => void;
}

/** Imports the sources repeatedly, until `signal` aborts. */
export async function watch(
  papers: Papers,
  sources: readonly string[],
  { every, onImported, ...options }: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    onImported(await papers.import(sources, { ...options, signal }));
    await pause(every, signal);
  }
}

/** Summarises waiting papers, until it is stopped; does nothing without a model. @throws UserError */
export async function keepSummarising(
  papers: Papers,
  { summaries, save, perDay }: SummaryTerms,
  signal: AbortSignal,
): Promise<void> {
  if (summaries === undefined) return;
  const writer = await openWriter(summaries, save);
  try {
    while (!signal.aborted) {
      await summarisePending(papers.store, writer, perDay, signal);
      await pause(1, signal);
    }
  } finally {
    writer.close();
  }
}

/** Waits for some minutes, or until `signal` is aborted. */
const pause = (minutes: number, signal: AbortSignal): Promise<void> =>
  setTimeout(minutes * MINUTE, undefined, { signal }).catch(() => {});
