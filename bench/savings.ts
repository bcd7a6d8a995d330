import { load, type Model } from "../src/index.ts";
import { UserError } from "../src/util/errors.ts";
import { completionAt, places } from "./complete.ts";
import type { BenchOptions, Survey } from "./harness.ts";
import { EDITS } from "./lookup.ts";
import { machine, median, short } from "./report.ts";
import { bookTokens } from "./tokens.ts";

/** The total cost of a task's requests. */
interface Cost {
  readonly ms: number;
  readonly flops: number;
}

/** Requests of one kind, and the recipes meant for it. */
interface Task {
  readonly name: string;
  readonly recipes: readonly string[];
  run(model: Model, save: readonly string[]): Promise<Cost>;
}

/** The tokens of a chat's prompt and of a long prompt; SmolLM2's context is 8,192 tokens. */
const [CHAT, LONG] = [512, 6000];
/** The maximum tokens of an answer to these prompts. */
const ANSWER = 32;

const TASKS: readonly Task[] = [
  {
    name: "code edits and quotes of the prompt",
    recipes: ["lookup"],
    run: (model, save) => answers(model, EDITS, 160, save),
  },
  {
    name: `a prompt of ${CHAT} tokens, ${ANSWER} of answer`,
    recipes: ["int8-prefill", "int8-prefill:digits=2,rotation=0", "prune", "exit", "dynamax"],
    run: (model, save) => answers(model, [book(model, CHAT)], ANSWER, save),
  },
  {
    name: `a prompt of ${LONG} tokens, ${ANSWER} of answer`,
    recipes: [
      "xattention",
      "minference",
      "flexprefill",
      "tri-shape",
      "prune",
      "int8-prefill",
      "int8-prefill xattention",
    ],
    run: (model, save) => answers(model, [book(model, LONG)], ANSWER, save),
  },
  { name: "code completion at a cursor", recipes: ["sec", "lookup"], run: completions },
];

/** Real text with about this many tokens. */
const book = (model: Model, tokens: number): string => model.language.tokenizer.decode(bookTokens(model, tokens));

async function answers(
  model: Model,
  prompts: readonly string[],
  maxTokens: number,
  save: readonly string[],
): Promise<Cost> {
  let [ms, flops] = [0, 0];
  for (const prompt of prompts) {
    const options = { maxTokens, temperature: 0, cachePrompt: false, repetitionDetection: false, save };
    const { receipt } = await model.complete(prompt, options);
    ms += receipt.ms.prefill + receipt.ms.decode;
    flops += receipt.flops.spent;
  }
  return { ms, flops };
}

async function completions(model: Model, save: readonly string[]): Promise<Cost> {
  let [ms, flops] = [0, 0];
  for (const place of places()) {
    const { ms: taken, receipt } = await completionAt(model, place, save);
    ms += taken;
    flops += receipt.flops.spent;
  }
  return { ms, flops };
}

/** A saving on a task: dense's milliseconds and FLOPs over its own, and the spread of the rounds' times. */
interface Row {
  readonly task: string;
  readonly recipe: string;
  readonly ratio: number;
  readonly spread: readonly [number, number];
  readonly flops: number;
}

/** The last line of `bench savings`. */
interface SavingsResult {
  readonly bench: "savings";
  readonly model: string;
  readonly rows: readonly Row[];
  /** Recipes that do not fit the model, or have no preset for it, with the reason. */
  readonly refused: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly machine: string;
}

/** Times each saving alternately with dense, on requests that suit it: whole answers, from an empty cache. */
export const savings: Survey = { name: "savings", survey };

async function survey(
  { model: name, rounds, ...source }: BenchOptions,
  print: (text: string) => void,
): Promise<SavingsResult> {
  using model = await load(name);
  const refused: Record<string, string> = {};
  const rows: Row[] = [];
  for (const task of TASKS) {
    const recipes: string[] = [];
    for (const recipe of task.recipes) {
      const why = await unserved(model, recipe);
      if (why === undefined) recipes.push(recipe);
      else refused[recipe] = why;
    }
    for (const row of await timed(model, task, recipes, rounds)) {
      rows.push(row);
      const { recipe, ratio, spread, flops } = row;
      print(`${task.name}: ${recipe} ${ratio} × [${spread.join(", ")}], ${flops} × by FLOPs`);
    }
  }
  return { bench: "savings", model: name, rows, refused, runs: rounds, machine: machine(source) };
}

/** Why a model cannot run with a recipe; undefined if it can. */
async function unserved(model: Model, recipe: string): Promise<string | undefined> {
  try {
    await model.complete("a", { maxTokens: 1, save: recipe.split(" ") });
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

async function timed(model: Model, task: Task, recipes: readonly string[], rounds: number): Promise<Row[]> {
  const run = (recipe: string) => task.run(model, recipe === "dense" ? [] : recipe.split(" "));
  const turns = ["dense", ...recipes];
  for (const recipe of turns) await run(recipe);
  const costs: Map<string, Cost>[] = [];
  for (let round = 0; round < rounds; round++) {
    const costsOfRound = new Map<string, Cost>();
    for (const recipe of turns) costsOfRound.set(recipe, await run(recipe));
    costs.push(costsOfRound);
  }
  return recipes.map((recipe) => {
    const ratios = costs.map((round) => round.get("dense")!.ms / round.get(recipe)!.ms);
    const flops = costs[0]!.get("dense")!.flops / costs[0]!.get(recipe)!.flops;
    return {
      ...{ task: task.name, recipe, ratio: short(median(ratios)) },
      spread: [short(Math.min(...ratios)), short(Math.max(...ratios))],
      flops: short(flops),
    };
  });
}
