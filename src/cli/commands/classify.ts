import { type Command, Option } from "commander";
import type { ImageInput } from "../../engine/images/pixels/input.ts";
import { qzeroOptions } from "../../pipelines/qzero/options.ts";
import { UserError } from "../../util/errors.ts";
import { classifyByLookup, type LookupFlags, refuseLookupFlags } from "../classify-lookup.ts";
import { addEncodeFlags, encode, imageFile } from "../encode.ts";
import { addFlags } from "../flags.ts";
import { columns, print, printJson } from "../output.ts";
import { readStdin } from "../stdin.ts";

interface Flags extends LookupFlags {
  via?: "qzero";
  image?: string;
}

export function define(command: Command): void {
  addEncodeFlags(command.argument("[text]", "the text (default: stdin)"))
    .option(
      "--labels <labels>",
      "a,b,…: some of a classifier's labels; any labels for a generating model, an image or --via qzero, there also label=word|word",
      (text) => text.split(","),
    )
    .option(
      "--image <file>",
      "an image instead of a text: by any labels for a model of images and texts, by its own for a classifier of images",
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
  const { image } = flags;
  if (image !== undefined && (text !== undefined || flags.via))
    throw new UserError("--image takes the place of a text, and is not for --via; give one of them", 2);
  if (flags.via === "qzero") return classifyByLookup(textOf, flags);
  refuseLookupFlags(flags);
  await encode(
    flags,
    async (signal): Promise<(string | ImageInput)[]> => [image === undefined ? await textOf(signal) : imageFile(image)],
    async (model, inputs, stopping) => {
      const { labels } = flags;
      const { results, receipt } = await model.classify(inputs, { ...(labels && { labels }), ...stopping });
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
  if (text.trim() === "") throw new UserError("nothing to classify; give a text as an argument or on stdin", 2);
  return text;
}
