import { z } from "zod";
import type { GenerationItem } from "../item.ts";
import { containsAnswer } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";
import { haystackName, haystackOf } from "./haystack.ts";
import { needle as needleItem } from "./needle.ts";

/** The answer's tokens. As in RULER, an item's length includes prompt and answer. */
const maxTokens = 16;

/** The default number of items. */
export const madeItems = 50;

const optionsWith = (keys: string) =>
  z.strictObject({
    tokens: count(64, 10_000_000).prefault("4096"),
    keys: count(1, 25).prefault(keys),
    haystack: z.string().optional(),
  });

type NeedleOptions = z.output<ReturnType<typeof optionsWith>>;

function family(name: string, summary: string, keys: string): Family {
  const metadata = { summary, kind: "generation", size: undefined, metrics: [containsAnswer] } as const;
  const options = optionsWith(keys);
  return {
    ...metadata,
    name,
    source: haystackName(undefined),
    usage: `[tokens=4096][,keys=${keys}][,haystack=FILE]`,
    make(text): TaskOf<"generation"> {
      const read = readOptions(name, options, text);
      const own = text === "" ? name : `${name}:${text}`;
      return { ...metadata, name: own, source: haystackName(read.haystack), items: (run) => itemsOf(read, run) };
    },
  };
}

async function* itemsOf({ haystack, ...options }: NeedleOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const text = await haystackOf(haystack, run);
  for (let n = 0; n < (run.limit ?? madeItems); n++) {
    const seed = run.seed * 1_000_003 + n;
    const own = { haystack: text, depth: spread(n), seed, countTokens: run.countTokens };
    const needle = needleItem({ ...options, ...own, reserve: maxTokens });
    yield {
      kind: "generation",
      id: String(n),
      prompt: needle.prompt,
      stop: ["\n"],
      maxTokens,
      answers: [needle.answer],
    };
  }
}

/** 1/2, 1/4, 3/4, 1/8, …: any number of depths spreads evenly over (0, 1) (van der Corput's sequence). */
export function spread(n: number): number {
  let [value, digit] = [0, 0.5];
  for (let rest = n + 1; rest > 0; rest >>= 1, digit /= 2) value += (rest & 1) * digit;
  return value;
}

const where = "at any length and every depth (RULER, arXiv 2404.06654)";

export const needle = family("needle", `One number hidden in a long text, ${where}`, "1");
export const multiKey = family(
  "multi-key",
  `Several numbers hidden in a long text, with a question about one, ${where}`,
  "4",
);
