import { z } from "zod";
import { seededRandom } from "../../util/random.ts";
import type { GenerationItem } from "../item.ts";
import { containsAll } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";
import { haystackName, haystackOf } from "./haystack.ts";
import { hide } from "./hide.ts";
import { madeItems } from "./needle-task.ts";

const options = z.strictObject({
  tokens: count(64, 10_000_000).prefault("4096"),
  chains: count(1, 20).prefault("1"),
  hops: count(1, 20).prefault("4"),
  haystack: z.string().optional(),
});

type TrackingOptions = z.output<typeof options>;

const metadata = {
  summary:
    "Variables hidden in a long text, each assigned from the one before: which of them have a value? (RULER, arXiv 2404.06654)",
  kind: "generation",
  size: undefined,
  metrics: [containsAll],
} as const;

export const variableTracking: Family = {
  ...metadata,
  name: "variable-tracking",
  source: haystackName(undefined),
  usage: "[tokens=4096][,chains=1][,hops=4][,haystack=FILE]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("variable-tracking", options, text);
    const name = text === "" ? "variable-tracking" : `variable-tracking:${text}`;
    return { ...metadata, name, source: haystackName(read.haystack), items: (run) => itemsOf(read, run) };
  },
};

async function* itemsOf(options: TrackingOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const haystack = await haystackOf(options.haystack, run);
  for (let n = 0; n < (run.limit ?? madeItems); n++) yield itemOf(n, { ...options, haystack }, run);
}

function itemOf(n: number, options: TrackingOptions & { haystack: string }, run: ItemsFor): GenerationItem {
  const random = seededRandom(run.seed * 1_000_003 + n);
  const chains = chainsOf(options, random);
  const [questioned] = chains as [Chain];
  const maxTokens = 8 * questioned.names.length;
  const { prompt } = hide({
    ...{ haystack: options.haystack, tokens: options.tokens, reserve: maxTokens, random, countTokens: run.countTokens },
    hidden: chains.flatMap((chain) => statements(chain, random)),
    frame: (text) => frame(text, questioned),
  });
  return { kind: "generation", id: String(n), prompt, stop: ["\n", "."], maxTokens, answers: questioned.names };
}

interface Chain {
  readonly value: string;
  /** The first variable is assigned the value; every later variable is assigned the variable before it. */
  readonly names: readonly string[];
}

function chainsOf({ chains, hops }: TrackingOptions, random: () => number): Chain[] {
  const names = distinct(chains * (hops + 1), () => word(random));
  const values = distinct(chains, () => String(10_000 + Math.floor(random() * 90_000)));
  return values.map((value, i) => ({ value, names: names.slice(i * (hops + 1), (i + 1) * (hops + 1)) }));
}

function distinct(count: number, make: () => string): string[] {
  const values = new Set<string>();
  while (values.size < count) values.add(make());
  return [...values];
}

const word = (random: () => number): string =>
  Array.from({ length: 5 }, () => String.fromCharCode(65 + Math.floor(random() * 26))).join("");

/** Places statements at random depths, in the chain's order. */
function statements({ value, names }: Chain, random: () => number) {
  const depths = names.map(() => random()).sort((a, b) => a - b);
  return names.map((name, i) => ({
    text: `VAR ${name} = ${i === 0 ? value : `VAR ${names[i - 1]}`}.`,
    depth: depths[i]!,
  }));
}

const frame = (text: string, { value, names }: Chain): string =>
  "Variables are assigned in the following text, some of them from others. Keep track of them.\n\n" +
  `${text}\n\n` +
  `Which variables have the value ${value}, directly or through others? There are ${names.length} variables with the value ${value}:`;
