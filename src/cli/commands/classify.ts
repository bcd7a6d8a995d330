import type { Command } from "commander";
import type { ImageInput } from "../../engine/images/pixels/input.ts";
import { labelPipeline } from "../../pipelines/registry.ts";
import { UserError } from "../../util/errors.ts";
import { addEncodeFlags, type EncodeFlags, encode, imageFile } from "../encode.ts";
import { flagOf } from "../errors.ts";
import { addFlags, flagsSet } from "../flags.ts";
import { common, examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";
import { billed } from "../session.ts";
import { readStdin } from "../stdin.ts";

const own = await labelPipeline.flags();

type Flags = EncodeFlags & Parameters<typeof own.read>[0] & { image?: string; via?: string };

export function define(command: Command): void {
  addEncodeFlags(command.argument("[text]", "the text (default: stdin)"))
    .addOption(
      common(
        "--labels <labels>",
        "a,b,…: labels to choose from; a classifier accepts only its own; with --via also label=word|word",
      ).argParser((text) => text.split(",")),
    )
    .addOption(common("--image <file>", "an image instead of the text"))
    .addOption(
      common("--via <pipeline>", "label by the categories of documents in an index").choices([labelPipeline.name]),
    );
  for (const [flag, help] of Object.entries(own.flags)) command.addOption(common(`--${flag}`, help));
  addFlags(command, own.options, `With --via ${labelPipeline.name}`).action(classify);
  examples(
    command,
    'modicum classify --model smollm2 --labels spam,ham "You have won a prize"',
    "modicum classify --model glove --via qzero --index news --labels sport,war",
  );
}

/** Prints the labels with their scores, likeliest first. */
async function classify(text: string | undefined, flags: Flags): Promise<void> {
  const textOf = async (signal: AbortSignal) => nonEmpty(text ?? (await readStdin(signal)));
  const { image } = flags;
  if (image !== undefined && (text !== undefined || flags.via))
    throw new UserError("--image replaces the text, and does not work with --via; use one of them", 2);
  if (flags.via !== undefined) return classifyVia(textOf, flags);
  refuseOwn(flags);
  await encode(
    flags,
    async (signal): Promise<(string | ImageInput)[]> => [image === undefined ? await textOf(signal) : imageFile(image)],
    async (model, inputs, stopping) => {
      const { labels } = flags;
      const { results, receipt } = await model.classify(inputs, { ...(labels && { labels }), ...stopping });
      return { ...results[0]!, receipt };
    },
    (result) => (flags.json ? printJson(result) : print(...ranked(result.scores))),
  );
}

/** Labels with their scores, likeliest first. */
const ranked = (scores: Readonly<Record<string, number>>): string[] =>
  columns(
    Object.entries(scores)
      .sort(([, a], [, b]) => b - a)
      .map(([label, score]) => [label, score.toFixed(4)]),
  );

/** @throws UserError for flags that have no effect without `--via` */
function refuseOwn(flags: Flags): void {
  const names = Object.keys(own.flags).map((flag) => flag.split(" ", 1)[0]!);
  const one = [...names, ...Object.keys(own.options.shape)].find((key) => flags[key] !== undefined);
  if (one) throw new UserError(`${flagOf(one)} needs --via ${labelPipeline.name}; add it, or omit the flag`, 2);
}

/** Classifies a text by the pipeline, and prints the labels, best first. */
async function classifyVia(textOf: (signal: AbortSignal) => Promise<string>, flags: Flags): Promise<void> {
  const { model, store, adapter, json } = flags;
  if (adapter !== undefined) throw new UserError(`--adapter does not work with --via ${labelPipeline.name}`, 2);
  const { labels, index, qzero, ...request } = await own.read(flags, flagsSet(own.options, flags));
  const signal = interruptSignal();
  const text = await textOf(signal);
  using download = showDownload(model);
  const { openClassifier } = await import("../../library/classify-pipeline.ts");
  const opening = { ...formOption(flags), index, store, qzero, signal, ...download };
  await using classifier = await openClassifier(model, opening);
  await billed(async (onStopped) => {
    const { results, receipt } = await classifier.classify([text], labels, { ...request, signal, onStopped });
    const { label, scores } = results[0]!;
    if (json) printJson({ ...results[0]!, receipt });
    else {
      const best = label === null ? ["no word of the text is known"] : ranked(scores);
      print(...best, ...own.explained(results[0]!, columns));
    }
    return receipt;
  });
}

function nonEmpty(text: string): string {
  if (text.trim() === "") throw new UserError("nothing to classify; pass a text as an argument or on stdin", 2);
  return text;
}
