import type { Command } from "commander";
import { examples } from "../help.ts";
import { defineVerbs, type Verb, type Words } from "../verbs.ts";

const verbs: Readonly<Record<string, Verb>> = {
  import: { summary: "import papers from files and addresses", load: () => import("./papers-import.ts") },
  watch: { summary: "import regularly, and send digests", load: () => import("./papers-watch.ts") },
  digest: { summary: "send due digests", load: () => import("./papers-digest.ts") },
  serve: { summary: "serve the papers' pages", load: () => import("./papers-serve.ts") },
};

/** The words after `papers` name a verb. */
export const define = (command: Command, words: Words): Promise<void> =>
  defineVerbs(
    examples(command, "modicum papers import https://huggingface.co/papers", "modicum papers serve"),
    verbs,
    words,
  );
