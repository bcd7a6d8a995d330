import type { Command } from "commander";
import { addFlags, readFlags } from "../flags.ts";
import { print } from "../output.ts";
import { loadPapers, papersFolder } from "../papers.ts";
import { showDownload } from "../progress.ts";
import { stopSignal } from "../stop-signal.ts";

export async function define(command: Command): Promise<void> {
  addFlags(command, (await loadPapers()).serveOptions).action(servePages);
}

async function servePages(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { openPapers, serveOptions, servePapers } = await loadPapers();
  const options = readFlags(serveOptions, flags);
  const signal = stopSignal((status) => process.exit(status));
  using download = showDownload("minilm");
  await using papers = await openPapers({ folder: papersFolder(), signal, ...download });
  const serving = await servePapers(papers, options, report);
  print(`Daily papers at ${serving.url}`);
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await serving.close();
}

const report = ({ stack, message }: Error): void => void process.stderr.write(`${stack ?? message}\n`);
