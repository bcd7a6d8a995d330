import { z } from "zod";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { filesOf } from "../../weights/sources/data-place.ts";
import type { ContinuationItem } from "../item.ts";
import { natsPerToken } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";
import { windowEnd } from "./windows.ts";

const options = z.strictObject({
  file: z.string("expected a file: after-text:FILE"),
  tokens: count(4, 1_000_000).prefault("4096"),
  last: count(1, 100_000).prefault("256"),
});

type AfterTextOptions = z.output<typeof options>;

const metadata = {
  summary:
    "Likelihood of the last tokens of long windows of your own text: the tokens before them run as a prompt, the last tokens as an answer",
  kind: "continuation",
  size: undefined,
  metrics: [natsPerToken],
} as const;

export const afterText: Family = {
  ...metadata,
  name: "after-text",
  source: "FILE, gzipped or not",
  usage: "FILE[,tokens=4096][,last=256]",
  make(text) {
    const read = readOptions("after-text", options, text, "file");
    if (read.last > read.tokens / 2)
      throw new UserError(
        `after-text: last: expected at most half of the option tokens, ${read.tokens >> 1}, got ${read.last}`,
        2,
      );
    return afterTextTask(`after-text:${text}`, read);
  },
};

const afterTextTask = (name: string, options: AfterTextOptions): TaskOf<"continuation"> => ({
  ...metadata,
  name,
  source: options.file,
  items: (run) => windowsOf(options, run),
});

/** Yields adjacent windows in the file's order; drops the remainder at the end, which is too short. */
async function* windowsOf({ file, tokens, last }: AfterTextOptions, run: ItemsFor): AsyncGenerator<ContinuationItem> {
  const [path] = await filesOf(file, run);
  const text = await textOf(path!);
  const { countTokens, limit = Number.POSITIVE_INFINITY } = run;
  // Start tokens count only towards the context.
  const own = last + countTokens("");
  for (let start = 0, n = 0; n < limit; n++) {
    const middle = windowEnd(text, start, tokens - last, countTokens);
    const end = middle < text.length ? windowEnd(text, middle, own, countTokens) : middle;
    if (end === text.length && n === 0) throw new UserError(`${file}: expected a text of more than ${tokens} tokens`);
    if (end === text.length) return;
    yield {
      kind: "continuation",
      id: String(n),
      context: text.slice(start, middle),
      continuation: text.slice(middle, end),
    };
    start = end;
  }
}
