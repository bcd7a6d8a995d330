import type { Command } from "commander";
import type { Imported } from "../../../apps/papers/index.ts";
import { printable } from "../../util/printable.ts";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import { loadPapers, papersFolder } from "../papers.ts";
import { showDownload } from "../progress.ts";

type Flags = Readonly<Record<string, unknown>>;

export async function define(command: Command): Promise<void> {
  const { importOptions, openOptions } = await loadPapers();
  command.argument("<sources...>", "saved pages, JSON lines, feeds: files or addresses");
  for (const options of [importOptions, openOptions]) addFlags(command, options);
  command.option("--json", "print one JSON object").action(importPapers);
  examples(
    command,
    "modicum papers import https://huggingface.co/papers",
    "modicum papers import saved-page.html --year 2026",
  );
}

async function importPapers(sources: string[], flags: Flags): Promise<void> {
  const { importOptions, openOptions, openPapers } = await loadPapers();
  const opening = readFlags(openOptions, flags);
  const { topic, ...options } = readFlags(importOptions, flags);
  const signal = interruptSignal();
  using download = showDownload(opening.embedding);
  await using papers = await openPapers({ folder: papersFolder(), ...opening, signal, ...download });
  if (topic) await papers.store.topics.setLabels(topic);
  const imported = await papers.import(sources, { ...options, signal });
  tell(imported);
  const sum = sumOf(imported);
  if (flags["json"]) printJson({ ...sum, ...imported });
  else print(sentence(sum));
  if (imported.sources.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

/** The maximum number of a source's faults to report one by one. */
const TOLD = 20;

/** Reports what was not imported, and why. */
export function tell({ sources, unindexed }: Imported): void {
  for (const { source, faults, failure, isSame } of sources) {
    for (const { place, reason } of faults.slice(0, TOLD)) warn(printable(`${source}: ${place}: ${reason}`));
    if (faults.length > TOLD) warn(printable(`${source}: ${faults.length - TOLD} more faults`));
    if (failure !== undefined) warn(printable(failure));
    if (isSame) warn(printable(`${source}: nothing has changed since the last import`));
  }
  if (unindexed !== undefined) warn(`search cannot find the new papers yet: ${unindexed}`);
}

interface Sum {
  readonly papers: number;
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
}

export function sumOf({ sources }: Imported): Sum {
  const of = (field: keyof Sum) => sources.reduce((sum, source) => sum + source[field], 0);
  return { papers: of("papers"), added: of("added"), changed: of("changed"), unchanged: of("unchanged") };
}

export const sentence = ({ papers, added, changed, unchanged }: Sum): string =>
  `${papers} ${papers === 1 ? "paper" : "papers"}: ${added} new, ${changed} changed, ${unchanged} unchanged`;
