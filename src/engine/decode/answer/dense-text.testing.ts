/** Compares, by position, dense's answers with the answers of savings that claim to give the same text. */
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import type { LanguageModel } from "../language-model.ts";
import { logSumExp } from "../sampling/softmax.ts";
import { type GenerateOptions, generate, generateOptions } from "./generate.ts";

/** Recipes for each saving that claims the same text as dense; each drafts on these models without extra files. */
export const denseTextRecipes: Readonly<Record<string, readonly string[]>> = {
  lookup: ["lookup", "lookup:match=2,tokens=4"],
  exit: ["exit:layer=20,fill=verify"],
  dynamax: ["dynamax:rule=softmax-max,threshold=0.9,fill=verify"],
};

/** A turn that continues an answer. */
const NEXT_TURN = "\nNow say it once more.";

/** An answer, and the state that it leaves for the next request. */
export interface ObservedAnswer {
  readonly tokens: readonly number[];
  /** Logits [vocabulary] from which each token was chosen. */
  readonly logits: readonly Float32Array[];
  readonly drafts: number;
  readonly accepted: number;
  /** The number of tokens that the next turn finds in the cache, and the logits after that turn. */
  readonly cached: number;
  readonly next: Float32Array;
}

/** Two answers to the same prompt. */
export interface Comparison {
  /** The number of positions at which the tokens before are the same in both answers. */
  readonly positions: number;
  /** The largest difference in log-probabilities at these positions, over the whole vocabulary. */
  readonly worst: number;
  /** The index of the first different token; absent if all tokens are equal. */
  readonly differsAt?: number;
  /** Nats between dense's two likeliest tokens where the answers first differ. */
  readonly gap?: number;
  /** True if the next turn finds the same number of cached tokens, and has bit-equal log-probabilities. */
  readonly sameState: boolean;
}

/** Returns the greedy answer of a recipe ("dense" for none) on an engine with an empty cache. */
export async function observe(
  model: LanguageModel,
  recipe: string,
  prompt: readonly number[],
  maxTokens: number,
): Promise<ObservedAnswer> {
  using lease = recipe === "dense" ? undefined : await model.use(parseRecipe([recipe]));
  const { engine, tokenizer } = model;
  engine.forget();
  const planOf = (length: number): Plan => lease?.plan(length) ?? densePlan;
  const answer = await run(model, planOf(prompt.length), prompt, maxTokens);
  const turn = [...prompt, ...answer.tokens, ...tokenizer.encode(NEXT_TURN)];
  const next = await run(model, densePlan, turn, 1);
  return {
    ...{ tokens: answer.tokens, logits: answer.logits, cached: next.usage.tokens.cached, next: next.logits[0]! },
    drafts: answer.usage.work["drafts"]?.run ?? 0,
    accepted: answer.usage.work["accepted"]?.run ?? 0,
  };
}

async function run({ engine, tokenizer }: LanguageModel, plan: Plan, prompt: readonly number[], maxTokens: number) {
  const logits: Float32Array[] = [];
  const options: GenerateOptions = {
    ...generateOptions.parse({ maxTokens, temperature: 0 }),
    observe: (row) => void logits.push(row.slice()),
  };
  const tokens: number[] = [];
  for await (const piece of generate(engine, tokenizer, prompt, options, { plan })) {
    tokens.push(...piece.tokens.map(({ id }) => id));
    if (piece.finish) return { tokens, logits, usage: piece.finish.usage };
  }
  throw new Error("an answer ended without its last piece");
}

/** Compares an answer with dense's, up to the first different token. */
export function compare(dense: ObservedAnswer, other: ObservedAnswer): Comparison {
  const length = Math.max(dense.tokens.length, other.tokens.length);
  const first = Array.from({ length }, (_, i) => i).find((i) => dense.tokens[i] !== other.tokens[i]);
  const positions = Math.min(first === undefined ? length : first + 1, dense.logits.length, other.logits.length);
  const apart = Array.from({ length: positions }, (_, i) => greatestDifference(dense.logits[i]!, other.logits[i]!));
  return {
    ...{ positions, worst: Math.max(...apart) },
    ...(first !== undefined && { differsAt: first, gap: gapOf(dense.logits[first]!) }),
    sameState: dense.cached === other.cached && sameBits(dense.next, other.next),
  };
}

export const sameBits = (a: Float32Array, b: Float32Array): boolean => bytesOf(a).equals(bytesOf(b));

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);

const logTotal = (logits: Float32Array): number =>
  logSumExp(
    logits,
    logits.reduce((most, v) => Math.max(most, v)),
  );

function greatestDifference(a: Float32Array, b: Float32Array): number {
  const [ofA, ofB] = [logTotal(a), logTotal(b)];
  return a.reduce((most, v, id) => Math.max(most, Math.abs(v - ofA - (b[id]! - ofB))), 0);
}

function gapOf(logits: Float32Array): number {
  const [first, second] = logits.toSorted().subarray(-2).toReversed();
  return first! - second!;
}

const CODE = `export function total(items: readonly Item[]): number {
  let sum = 0;
  for (const item of items) sum += item.price * item.count;
  return sum;
}
`;
const PASSAGE =
  "The lighthouse on the northern cape was built in 1871, after three ships had been lost in a single winter. Its lamp " +
  "burned whale oil at first, then paraffin, and from 1926 on it was lit by electricity.";
const TABLE = '[{"name": "ash", "height": 21}, {"name": "birch", "height": 17}, {"name": "cedar", "height": 30}]';

/** Prompts whose answers quote them, and prompts whose answers do not. */
export const denseTextPrompts: readonly string[] = [
  `Repeat this text word by word:\n\n${PASSAGE}`,
  `Rename the parameter \`items\` to \`goods\` and write the whole function:\n\n\`\`\`ts\n${CODE}\`\`\``,
  `Correct the spelling: ${PASSAGE.replace("lighthouse", "lighthous").replace("winter", "wintr")}`,
  `Add the tree "elm" of height 25 to this list and write all of it:\n${TABLE}`,
  `Write this list sorted by height:\n${TABLE}`,
  `Summarise in one sentence: ${PASSAGE}`,
  `When was the lighthouse built? ${PASSAGE}`,
  `Translate to French: ${PASSAGE}`,
  `Add a comment to each line of this function:\n\n\`\`\`ts\n${CODE}\`\`\``,
  `Write this function in Python:\n\n\`\`\`ts\n${CODE}\`\`\``,
  "Count from 1 to 30, separated by commas.",
  "Write the alphabet, a letter a line.",
  "Write a Python function that checks if a number is prime, then explain it line by line.",
  "Write a JavaScript class for a stack with push, pop and peek.",
  "Write an HTML table with three rows of fruit and their colours.",
  "Write a JSON array of five people with a name, an age and a city.",
  "Write a limerick about a cat, then the same limerick about a dog.",
  "Write a short story about a fox and a river.",
  "Explain how a bicycle stays upright.",
  "What is the difference between a list and a tuple in Python?",
  "List the planets from the sun outwards, with one fact each.",
  "Give me a recipe for pancakes, with a list of ingredients and numbered steps.",
  "Write a polite letter that asks for a refund.",
  "Say the sentence 'The quick brown fox jumps over the lazy dog' five times.",
];
