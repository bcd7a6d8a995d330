import type { Command } from "commander";
import { UserError } from "../../util/errors.ts";
import { addEncodeFlags, type EncodeFlags, encode } from "../encode.ts";
import { print, printJson } from "../output.ts";
import { readStdin } from "../stdin.ts";

export function define(command: Command): void {
  addEncodeFlags(command.argument("[texts...]", "the texts; without any, the lines of stdin"), "minilm").action(embed);
}

/** Prints a vector a line, in the texts' order. */
async function embed(texts: string[], flags: EncodeFlags): Promise<void> {
  await encode(
    flags,
    async (signal) => (texts.length > 0 ? texts : linesOf(await readStdin(signal))),
    (model, all, stopping) => model.embed(all, stopping),
    ({ embeddings, receipt }) => {
      const vectors = embeddings.map((e) => Array.from(e, float));
      if (flags.json) printJson({ embeddings: vectors, receipt });
      else print(...vectors.map((v) => JSON.stringify(v)));
    },
  );
}

/** An empty line is a text too, so that the lines of the result are those of stdin. */
function linesOf(text: string): string[] {
  if (text === "") throw new UserError("there is nothing to embed: give texts as arguments, or lines on stdin");
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** As few digits as tell a float32 from all others. */
const float = (x: number): number => Number(x.toPrecision(9));
