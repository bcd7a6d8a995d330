import type { Command } from "commander";
import { defineVerbs, type Verb } from "../verbs.ts";

const verbs: Readonly<Record<string, Verb>> = {
  import: { summary: "import papers from files and addresses", load: () => import("./papers-import.ts") },
  watch: { summary: "import again and again, and send digests", load: () => import("./papers-watch.ts") },
  digest: { summary: "send the digests that are due", load: () => import("./papers-digest.ts") },
  serve: { summary: "serve the papers' pages", load: () => import("./papers-serve.ts") },
};

/** The words after `papers` name a verb. */
export const define = (command: Command, words: readonly string[]): Promise<void> => defineVerbs(command, verbs, words);
