import type { Command } from "commander";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print } from "../output.ts";
import { loadPapers, papersFolder } from "../papers.ts";
import { showDownload } from "../progress.ts";
import { stopSignal } from "../stop-signal.ts";
import { addMailFlags, mailFrom } from "./papers-digest.ts";

export async function define(command: Command): Promise<void> {
  const { openOptions, serveOptions, summaryOptions } = await loadPapers();
  for (const options of [serveOptions, openOptions, summaryOptions]) addFlags(command, options);
  (await addMailFlags(command)).action(servePages);
  examples(command, "modicum papers serve --port 8090");
}

async function servePages(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { keepSummarising, mailOptions, openOptions, openPapers, runJobs, untilStopped, ...pages } = await loadPapers();
  const { serveOptions, servePapers, summaryOptions } = pages;
  const [options, opening, { url }, summaries] = [
    readFlags(serveOptions, flags),
    readFlags(openOptions, flags),
    readFlags(mailOptions, flags),
    readFlags(summaryOptions, flags),
  ];
  const signal = stopSignal();
  using download = showDownload(opening.embedding);
  await using papers = await openPapers({ folder: papersFolder(), ...opening, signal, ...download });
  const mailing = await mailFrom(papers, flags);
  const serving = await servePapers({ papers, mailing, url: url?.replace(/\/+$/, "") }, options, report);
  print(`Daily papers at ${serving.url}`);
  if (mailing.off) warn(mailing.off);
  const jobs = [untilStopped, (stop: AbortSignal) => keepSummarising(papers, summaries, stop)];
  try {
    await runJobs(mailing.off ? jobs : [...jobs, (stop) => mailing.run(stop)], signal);
  } finally {
    await serving.close();
  }
}

const report = ({ stack, message }: Error): void => void process.stderr.write(`${stack ?? message}\n`);
