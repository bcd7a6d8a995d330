import type { Command } from "commander";
import { UserError } from "../../util/errors.ts";
import { addEncodeFlags, type EncodeFlags, encode } from "../encode.ts";
import { columns, print, printJson } from "../output.ts";
import { readStdin } from "../stdin.ts";

interface Flags extends EncodeFlags {
  labels?: string[];
}

export function define(command: Command): void {
  addEncodeFlags(command.argument("[text]", "the text (default: stdin)"))
    .option("--labels <labels>", "a,b,…: some of a classifier's labels; any labels for a generating model", (text) =>
      text.split(","),
    )
    .action(classify);
}

/** Prints the labels with their scores, the likeliest first. */
async function classify(text: string | undefined, flags: Flags): Promise<void> {
  await encode(
    flags,
    async (signal) => [wanted(text ?? (await readStdin(signal)))],
    async (model, texts, stopping) => {
      const { labels } = flags;
      const { results, receipt } = await model.classify(texts, { ...(labels && { labels }), ...stopping });
      return { ...results[0]!, receipt };
    },
    (result) => {
      if (flags.json) return printJson(result);
      const ranked = Object.entries(result.scores).sort(([, a], [, b]) => b - a);
      print(...columns(ranked.map(([label, score]) => [label, score.toFixed(4)])));
    },
  );
}

function wanted(text: string): string {
  if (text.trim() === "") throw new UserError("nothing to classify; give a text as an argument or on stdin");
  return text;
}
