import type { Command } from "commander";

interface Verb {
  summary: string;
  load: () => Promise<{ define(command: Command): void | Promise<void> }>;
}

const verbs: Readonly<Record<string, Verb>> = {
  import: { summary: "import papers from files and addresses", load: () => import("./papers-import.ts") },
  watch: { summary: "import again and again, and send digests", load: () => import("./papers-watch.ts") },
  digest: { summary: "send the digests that are due", load: () => import("./papers-digest.ts") },
  serve: { summary: "serve the papers' pages", load: () => import("./papers-serve.ts") },
};

/** The words after `papers` name a verb, whose options are defined once it is known. */
export async function define(command: Command, words: readonly string[]): Promise<void> {
  command.usage(`${Object.keys(verbs).join("|")} [options]`);
  for (const [name, { summary, load }] of Object.entries(verbs)) {
    const verb = command.command(name).description(summary);
    if (words.includes(name)) await (await load()).define(verb);
  }
}
