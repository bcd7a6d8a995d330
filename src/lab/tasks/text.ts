import { z } from "zod";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { filesOf } from "../../weights/sources/data-place.ts";
import type { TextItem } from "../item.ts";
import { bitsPerByte, perplexity } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";
import { windowEnd } from "./windows.ts";

const options = z.strictObject({
  file: z.string("expected a file: text:FILE"),
  tokens: count(2, 1_000_000).prefault("1024"),
});

type TextOptions = z.output<typeof options>;

const metadata = {
  summary: "How well the model predicts your own text, read in windows that do not overlap",
  kind: "text",
  size: undefined,
  metrics: [perplexity, bitsPerByte],
} as const;

export const text: Family = {
  ...metadata,
  name: "text",
  source: "FILE, gzipped or not",
  usage: "FILE[,tokens=1024]",
  make: (text) => textTask(`text:${text}`, readOptions("text", options, text, "file")),
};

const textTask = (name: string, options: TextOptions): TaskOf<"text"> => ({
  ...metadata,
  name,
  source: options.file,
  items: (run) => windowsOf(options, run),
});

/** Windows in the file's order. */
async function* windowsOf({ file, tokens }: TextOptions, run: ItemsFor): AsyncGenerator<TextItem> {
  const [path] = await filesOf(file, run);
  const text = await textOf(path!);
  if (text.trim() === "") throw new UserError(`${file}: there is no text in it`);
  for (let start = 0, n = 0; start < text.length && n < (run.limit ?? Number.POSITIVE_INFINITY); n++) {
    const end = windowEnd(text, start, tokens, run.countTokens);
    yield { kind: "text", id: String(n), text: text.slice(start, end) };
    start = end;
  }
}
