import { type Command, Option } from "commander";
import { qzeroOptions } from "../../pipelines/qzero/options.ts";
import { UserError } from "../../util/errors.ts";
import { classifyByLookup, type LookupFlags, refuseLookupFlags } from "../classify-lookup.ts";
import { addEncodeFlags, encode } from "../encode.ts";
import { addFlags } from "../flags.ts";
import { columns, print, printJson } from "../output.ts";
import { readStdin } from "../stdin.ts";

interface Flags extends LookupFlags {
  via?: "qzero";
}

export function define(command: Command): void {
  addEncodeFlags(command.argument("[text]", "the text (default: stdin)"))
    .option(
      "--labels <labels>",
      "a,b,…: some of a classifier's labels; any labels for a generating model or --via qzero, there also label=word|word",
      (text) => text.split(","),
    )
    .addOption(new Option("--via <pipeline>", "by the categories of documents").choices(["qzero"]))
    .option("--index <name>", "qzero: the index that texts are looked up in")
    .option("--store <address>", "qzero: the index's postgres://user@host/database (default: files in MODICUM_HOME)")
    .option("--evidence <file>", 'qzero: documents for the text, one {"title", "categories"} per line, best first')
    .option("--explain", "qzero: also print documents, categories and keywords");
  addFlags(command, qzeroOptions).action(classify);
}

/** Prints the labels with their scores, the likeliest first. */
async function classify(text: string | undefined, flags: Flags): Promise<void> {
  const textOf = async (signal: AbortSignal) => wanted(text ?? (await readStdin(signal)));
  if (flags.via === "qzero") return classifyByLookup(textOf, flags);
  refuseLookupFlags(flags);
  await encode(
    flags,
    async (signal) => [await textOf(signal)],
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
