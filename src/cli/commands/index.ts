import type { Command } from "commander";
import type { AdditionCounts, SearchIndex } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { together } from "../../ledger/together.ts";
import { createOptions } from "../../library/open-index.ts";
import { NOTHING_ADDED, sumOf } from "../../retrieval/add.ts";
import type { Counts } from "../../retrieval/store/store.ts";
import { UserError } from "../../util/errors.ts";
import { version } from "../../util/package-root.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples, STORE } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { billed } from "../session.ts";

export interface StoreFlags extends Readonly<Record<string, unknown>> {
  store?: string;
  json?: boolean;
}

/** Adds the flags of `StoreFlags`. */
export const addStoreFlags = (command: Command): Command =>
  command.option("--store <address>", STORE).option("--json", "print one JSON object");

const NAME = "the index";

export function define(command: Command): void {
  const verb = (name: string, summary: string) => addStoreFlags(command.command(name).description(summary));
  const calls = ["modicum index create notes", "modicum index add notes README.md", "modicum index list notes"];
  examples(command, ...calls);
  const creating = verb("create", "create an empty index").argument("<name>", NAME);
  examples(addFlags(creating, createOptions), calls[0]!).action(create);
  const adding = verb("add", "add the documents of files, or update them")
    .argument("<name>", NAME)
    .argument("<files...>", "JSON lines with id, title, text, categories, metadata; text, Markdown or HTML");
  adding.option("--queue <url>", "redis://host:port: let `lab worker` processes add the files, each as a whole");
  examples(adding, calls[1]!).action(add);
  const removing = verb("rm", "remove documents, or the whole index with --all")
    .argument("<name>", NAME)
    .argument("[documents...]", "ids, or files whose documents are removed")
    .option("--all", "delete the index with all its documents");
  examples(removing, "modicum index rm notes README.md", "modicum index rm notes --all").action(remove);
  examples(verb("list", "list the indexes, or the documents of one").argument("[name]", NAME), calls[2]!).action(list);
}

/** Opens an index for one command. */
export async function withIndex<T>(
  name: string,
  { store }: StoreFlags,
  use: (index: SearchIndex, signal: AbortSignal) => Promise<T>,
  signal = interruptSignal(),
): Promise<T> {
  using download = showDownload(name);
  const { openIndex } = await import("../../library/open-index.ts");
  await using index = await openIndex(name, { store, signal, ...download });
  return await use(index, signal);
}

async function create(name: string, flags: StoreFlags): Promise<void> {
  const options = readFlags(createOptions, flags);
  using download = showDownload(options.embedding);
  const { createIndex } = await import("../../library/open-index.ts");
  await using index = await createIndex(name, {
    ...options,
    store: flags.store,
    signal: interruptSignal(),
    ...download,
  });
  const { embedding, chunks } = index.settings;
  if (flags.json) printJson({ name, embedding, ...chunks });
  else print(`created ${name}: ${embedding ? `vectors of ${embedding.name}` : "no vectors"}`);
}

async function add(name: string, files: string[], flags: StoreFlags & { queue?: string }): Promise<void> {
  const signal = interruptSignal();
  const adding = withIndex(
    name,
    flags,
    (index) =>
      flags.queue === undefined
        ? addFiles(index, files, flags, signal)
        : addByWorkers(flags.queue, name, files, flags, signal),
    signal,
  );
  await adding.catch(sayHowToGoOn(signal, () => "repeat the command to add what is missing"));
}

const addByWorkers = (
  url: string,
  name: string,
  files: string[],
  flags: StoreFlags,
  signal: AbortSignal,
): Promise<void> =>
  billed(async () => {
    const { addByQueue } = await import("../../lab/queue/index-job.ts");
    const notice = (sentence: string) => process.stderr.write(`${sentence}\n`);
    const around = { version: version(), notice, signal };
    const tell = (file: string, added: AdditionCounts) => notice(`${file}: ${sentence(added)}`);
    return tellAdded(await addByQueue(url, { name, store: flags.store, files }, around, tell), flags);
  });

const addFiles = (index: SearchIndex, files: string[], flags: StoreFlags, signal: AbortSignal): Promise<void> =>
  billed(async (onStopped) => {
    const all = [];
    for (const file of files) {
      let far = NOTHING_ADDED;
      const onBatch = (changes: AdditionCounts) => {
        far = sumOf(far, changes);
        process.stderr.write(`${file}: ${sentence(far)}\n`);
      };
      all.push(await index.addFile(file, { signal, onStopped, onBatch }));
    }
    return tellAdded(all, flags);
  });

function tellAdded(all: readonly (AdditionCounts & { receipt: Receipt })[], { json }: StoreFlags): Receipt {
  const sum = all.reduce(sumOf, NOTHING_ADDED);
  const receipt = together(all.map((added) => added.receipt));
  if (json) printJson({ ...sum, receipt });
  else print(sentence(sum));
  return receipt;
}

const sentence = ({ empty, added, replaced, unchanged, removed }: AdditionCounts): string => {
  const parts = Object.entries({ added, replaced, unchanged, removed }).filter(([, count]) => count > 0);
  const summary = parts.map(([change, count]) => `${count} ${change}`).join(", ") || "no documents";
  return empty > 0 ? `${summary} (${empty} without words)` : summary;
};

async function remove(name: string, documents: string[], flags: StoreFlags & { all?: boolean }): Promise<void> {
  const { deleteIndex } = await import("../../library/open-index.ts");
  if (flags.all === true) {
    if (documents.length > 0) throw new UserError("--all deletes the index; expected no documents with it", 2);
    await deleteIndex(name, { store: flags.store });
    return say(flags, `deleted ${name}`, { deleted: name });
  }
  if (documents.length === 0) throw new UserError("expected documents to remove, or --all for the index", 2);
  await withIndex(name, flags, async (index) => {
    let removed = 0;
    for (const each of documents) removed += await removeOne(index, each);
    say(flags, `removed ${removed}`, { removed });
  });
}

/** @throws UserError if no document or file has this name */
async function removeOne(index: SearchIndex, idOrFile: string): Promise<number> {
  const removed = (await index.remove([idOrFile])) || (await index.removeFile(idOrFile));
  if (removed > 0) return removed;
  throw new UserError(`the index ${index.name} has no document "${idOrFile}", nor one from a file of that name`);
}

function say({ json }: StoreFlags, sentence: string, result: object): void {
  if (json) printJson(result);
  else print(sentence);
}

async function list(name: string | undefined, flags: StoreFlags): Promise<void> {
  if (name === undefined) return listAll(flags);
  await withIndex(name, flags, async (index) => {
    const documents = [];
    for await (const document of index.list()) documents.push(document);
    if (flags.json) return printJson({ name, ...index.settings, ...(await index.counts()), list: documents });
    const rows = documents.map(({ id, title, chunks, source }) => [id, String(chunks), title, source ?? ""]);
    print(...columns([["ID", "CHUNKS", "TITLE", "FILE"], ...rows]));
  });
}

async function listAll(flags: StoreFlags): Promise<void> {
  const { listIndexes } = await import("../../library/open-index.ts");
  const names = await listIndexes({ store: flags.store });
  if (names.length === 0 && !flags.json) return print("there are no indexes; `modicum index create NAME` creates one");
  const rows: IndexRow[] = [];
  const faults: unknown[] = [];
  for (const name of names) {
    try {
      rows.push(await rowOf(name, flags));
    } catch (error) {
      faults.push(error);
    }
  }
  if (flags.json) printJson(rows);
  else printRows(rows);
  // Errors about damaged indexes are thrown only after the other indexes have been listed.
  for (const fault of faults) throw fault;
}

interface IndexRow extends Counts {
  readonly name: string;
  readonly embedding: string | null;
}

async function rowOf(name: string, { store }: StoreFlags): Promise<IndexRow> {
  const { openIndex } = await import("../../library/open-index.ts");
  await using index = await openIndex(name, { store });
  return { name, embedding: index.settings.embedding?.name ?? null, ...(await index.counts()) };
}

function printRows(rows: readonly IndexRow[]): void {
  const cells = rows.map(({ name, documents, chunks, embedding }) => [
    name,
    String(documents),
    String(chunks),
    embedding ?? "none",
  ]);
  print(...columns([["NAME", "DOCUMENTS", "CHUNKS", "VECTORS"], ...cells]));
}
