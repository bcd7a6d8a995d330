import { shuffle } from "../../../src/util/random.ts";
import { LOOK_UP_CHANCE, lookUp } from "./look-ups.ts";
import { below, type Random, type Sample, type World } from "./world.ts";

/** The least target and the greatest one: two digits each. */
const [LEAST, MOST] = [10, 99];
const OPERATORS = ["+", "-", "*", "/"] as const;
type Operator = (typeof OPERATORS)[number];

/** A chain of steps from left to right: a number, and an operator with a number for each further one. */
interface Chain {
  readonly first: number;
  readonly steps: readonly { readonly operator: Operator; readonly by: number }[];
}

/** The result of a step; undefined if it is no whole number from 1 to 99. */
export function stepped(value: number, operator: Operator, by: number): number | undefined {
  const result = resultOf(value, operator, by);
  return Number.isInteger(result) && result >= 1 && result <= MOST ? result : undefined;
}

function resultOf(value: number, operator: Operator, by: number): number {
  switch (operator) {
    case "+":
      return value + by;
    case "-":
      return value - by;
    case "*":
      return value * by;
    case "/":
      return value / by;
  }
}

/** All plans that lead from `numbers` to `target`. */
export function solutions(numbers: readonly number[], target: number): ReadonlySet<string> {
  const chains = numbers.flatMap((first, at) => [...onwards(first, first, without(numbers, at), target)]);
  return new Set(chains.map(textOf));
}

/** Chains from `value`, which `first` has become, through all of `rest` to `target`. */
function* onwards(first: number, value: number, rest: readonly number[], target: number): Generator<Chain> {
  if (rest.length === 0) {
    if (value === target) yield { first, steps: [] };
    return;
  }
  for (const [at, by] of rest.entries())
    for (const operator of OPERATORS) {
      const next = stepped(value, operator, by);
      if (next === undefined) continue;
      for (const { steps } of onwards(first, next, without(rest, at), target))
        yield { first, steps: [{ operator, by }, ...steps] };
    }
}

const without = (numbers: readonly number[], at: number): number[] => numbers.filter((_, i) => i !== at);

/** A chain as a plan: `8*7:56-4` has a result of two digits before each step but the first. */
function textOf({ first, steps }: Chain): string {
  let value = first;
  let text = `${first}`;
  for (const [i, { operator, by }] of steps.entries()) {
    text += `${i === 0 ? "" : `:${String(value).padStart(2, "0")}`}${operator}${by}`;
    value = resultOf(value, operator, by);
  }
  return text;
}

/** A question's numbers and target, as `4,8,7|52` has them. */
function readQuestion(question: string): { numbers: number[]; target: number } {
  const [numbers, target] = question.split("|") as [string, string];
  return { numbers: numbers.split(",").map(Number), target: Number(target) };
}

/** All plans that solve a question. */
function plansOf({ question }: Sample): ReadonlySet<string> {
  const { numbers, target } = readQuestion(question);
  return solutions(numbers, target);
}

/** Characters of a plan's first step, such as `8*7`, which is the answer. */
const STEP = 3;
const openingOf = (plan: string): string => plan.slice(0, STEP);

/** Numbers and a target with a chain between them, as they are drawn. */
function drawn(random: Random, count: number): { numbers: number[]; chain: Chain; target: number } {
  for (;;) {
    const numbers = Array.from({ length: count }, () => 2 + below(8, random));
    const [a, b, ...others] = numbers as [number, number, ...number[]];
    const first = Math.max(a, b);
    const steps = [Math.min(a, b), ...others].map((by) => ({ operator: OPERATORS[below(4, random)]!, by }));
    let value: number | undefined = first;
    for (const { operator, by } of steps) value = value === undefined ? undefined : stepped(value, operator, by);
    if (value !== undefined && value >= LEAST) return { numbers, chain: { first, steps }, target: value };
  }
}

/** One question in ten, identified by its numbers in any order and its target, is used only in tests. */
export function isTested(numbers: readonly number[], target: number): boolean {
  const key = [...numbers].sort((a, b) => a - b).reduce((all, number) => all * 10 + number, target);
  return (Math.imul(key, 0x9e3779b1) >>> 16) % 10 === 0;
}

/** A question of `count` numbers from 2 to 9 (a 1 would allow steps that change nothing), of tests or of training. */
export function countdown(random: Random, count: number, tested: boolean): Sample {
  for (;;) {
    const { numbers, chain, target } = drawn(random, count);
    if (isTested(numbers, target) !== tested) continue;
    const plan = textOf(chain);
    const question = `${shuffle(numbers, random).join(",")}|${target}`;
    return { task: "countdown", question, plan, answer: openingOf(plan) };
  }
}

const threeOrFour = (random: Random): number => 3 + below(2, random);
/** The share of look-ups among training samples, and of all kinds among a planner's first ones. */
const [LOOK_UPS, VARIED] = [0.1, 0.02];

const training = (random: Random): Sample =>
  random() < LOOK_UPS ? lookUp(random) : countdown(random, threeOrFour(random), false);

/** The share of possible first steps, from two of a question's numbers, that begin some plan. */
function chance(sample: Sample): number {
  if (sample.task === "look-up") return LOOK_UP_CHANCE;
  const { numbers } = readQuestion(sample.question);
  const pairs = numbers.flatMap((a, i) => without(numbers, i).map((b) => [a, b] as const));
  const steps = pairs.flatMap(([a, b]) =>
    OPERATORS.filter((operator) => stepped(a, operator, b) !== undefined).map((operator) => `${a}${operator}${b}`),
  );
  return new Set([...plansOf(sample)].map(openingOf)).size / new Set(steps).size;
}

const opens = (sample: Sample, step: string): boolean => [...plansOf(sample)].some((plan) => openingOf(plan) === step);

/** The maximum chance of guessing the first step of a test question. */
const GUESSED = 0.25;

function tested(random: Random): Sample {
  for (;;) {
    const sample = countdown(random, threeOrFour(random), true);
    if (chance(sample) <= GUESSED) return sample;
  }
}

/** Countdown with three or four numbers: a chain of steps, each number used once, that ends at the target. */
export const countdowns: World = {
  name: "countdown",
  template: "bare-1",
  ...{ planTokens: 14, steps: [1, 2, 4, 7, 14], answerTokens: 4, tested, training, chance },
  beginning: (random) => (random() < VARIED ? training(random) : countdown(random, 3, false)),
  asked: (random) => countdown(random, threeOrFour(random), false),
  answers: (sample, answer) => (sample.task === "look-up" ? answer === sample.answer : opens(sample, answer)),
  opens: (sample, plan) => opens(sample, openingOf(plan)),
  solves: (sample, plan) => plansOf(sample).has(plan),
};
