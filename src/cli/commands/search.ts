import type { Command } from "commander";
import { searchOptions } from "../../library/search-index.ts";
import { printable } from "../../util/printable.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";
import { billed } from "../session.ts";
import { addStoreFlags, type StoreFlags, withIndex } from "./index.ts";

/** The number of characters to show from a result's text. */
const SHOWN = 300;

export function define(command: Command): void {
  const verb = command.argument("<name>", "the index").argument("<query>", "the words or the question");
  addStoreFlags(addFlags(verb, searchOptions)).action(search);
  examples(command, 'modicum search notes "how to train"', 'modicum search notes "how to train" --by bm25 --top 3');
}

async function search(name: string, query: string, flags: StoreFlags): Promise<void> {
  const options = readFlags(searchOptions, flags);
  await withIndex(name, flags, (index, signal) =>
    billed(async (onStopped) => {
      const { results, receipt } = await index.search(query, { ...options, signal, onStopped });
      if (flags.json) printJson({ results, receipt });
      else for (const { id, title, text, score } of results) print(...shown(id, title, text, score), "");
      return receipt;
    }),
  );
}

const shown = (id: string, title: string, text: string, score: number): string[] => [
  printable(`${score.toFixed(4)}  ${id}${title === "" ? "" : `  ${title}`}`),
  printable(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text).replaceAll("\\u000a", " "),
];
