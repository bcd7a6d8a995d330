import type { Command } from "commander";
import type { Imported } from "../../../apps/papers/index.ts";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print } from "../output.ts";
import { loadPapers, papersFolder } from "../papers.ts";
import { showDownload } from "../progress.ts";
import { stopSignal } from "../stop-signal.ts";
import { addMailFlags, mailFrom } from "./papers-digest.ts";
import { sentence, sumOf, tell } from "./papers-import.ts";

type Flags = Readonly<Record<string, unknown>>;

export async function define(command: Command): Promise<void> {
  const { importOptions, openOptions, summaryOptions, watchOptions } = await loadPapers();
  command.argument("<sources...>", "files or addresses, as in papers import");
  for (const options of [watchOptions, importOptions, openOptions, summaryOptions]) addFlags(command, options);
  (await addMailFlags(command)).action(watchPapers);
  examples(command, "modicum papers watch https://huggingface.co/papers --every 60");
}

async function watchPapers(sources: string[], flags: Flags): Promise<void> {
  const { importOptions, keepSummarising, openOptions, openPapers, runJobs, summaryOptions, watch, watchOptions } =
    await loadPapers();
  const opening = readFlags(openOptions, flags);
  const { topic, ...options } = { ...readFlags(importOptions, flags), ...readFlags(watchOptions, flags) };
  const summaries = readFlags(summaryOptions, flags);
  const signal = stopSignal();
  using download = showDownload(opening.embedding);
  await using papers = await openPapers({ folder: papersFolder(), ...opening, signal, ...download });
  if (topic) await papers.store.topics.setLabels(topic);
  const mailing = await mailFrom(papers, flags);
  if (mailing.off) warn(mailing.off);
  const jobs = [
    (stop: AbortSignal) => watch(papers, sources, { ...options, onImported: showImported }, stop),
    (stop: AbortSignal) => keepSummarising(papers, summaries, stop),
  ];
  await runJobs(mailing.off ? jobs : [...jobs, (stop) => mailing.run(stop)], signal);
}

function showImported(imported: Imported): void {
  tell(imported);
  print(sentence(sumOf(imported)));
}
