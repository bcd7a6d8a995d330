import type { Command } from "commander";
import type { TextOrImage } from "../../engine/encoders/image-text/image-text-model.ts";
import { UserError } from "../../util/errors.ts";
import { addEncodeFlags, type EncodeFlags, encode, imageFile, readCut } from "../encode.ts";
import { collect } from "../flags.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";
import { readStdin } from "../stdin.ts";

export function define(command: Command): void {
  addEncodeFlags(command.argument("[texts...]", "the texts (default: the lines of stdin)"), "minilm")
    .option("--image <file>", "an image, if the model encodes images; may be repeated", collect)
    .option("--prompt <name>", "the model's own prompt before each text, such as query")
    .action(embed);
  examples(command, 'modicum embed "a cat" "a dog"', "modicum embed --model minilm --json < lines.txt");
}

interface Flags extends EncodeFlags {
  image?: string[];
  prompt?: string;
}

/** Prints one vector per line, in the order of the texts, then of the images. */
async function embed(texts: string[], flags: Flags): Promise<void> {
  const { image: files = [], prompt } = flags;
  await encode(
    flags,
    async (signal): Promise<TextOrImage[]> => {
      const inputs = texts.length + files.length > 0 ? texts : linesOf(await readStdin(signal));
      return [...notEmpty(inputs), ...files.map(imageFile)];
    },
    (model, all, stopping) => readCut((terms) => model.embed(all, { ...stopping, ...terms, prompt })),
    ({ embeddings, receipt }) => {
      const vectors = embeddings.map((e) => Array.from(e, float));
      if (flags.json) printJson({ embeddings: vectors, receipt });
      else print(...vectors.map((v) => JSON.stringify(v)));
    },
  );
}

function linesOf(text: string): string[] {
  if (text === "") throw new UserError("nothing to embed; pass texts as arguments, or lines on stdin", 2);
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** @throws UserError for an empty text, as the HTTP API does */
export function notEmpty(texts: string[]): string[] {
  const empty = texts.indexOf("");
  if (empty >= 0)
    throw new UserError(`text ${empty + 1} of ${texts.length} is empty; expected at least one character`, 2);
  return texts;
}

/** The fewest digits that identify a float32. */
const float = (x: number): number => Number(x.toPrecision(9));
