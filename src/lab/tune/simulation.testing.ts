import { type Ladder, rungsAt } from "../../savings/auto/ladder.ts";
import { mean } from "../../util/mean.ts";
import { seededRandom } from "../../util/random.ts";
import type { LossType } from "../../util/risk/losses.ts";
import type { Answers, Candidate, Problem, TuningItem } from "./problem.ts";
import { testInOrder, testOf } from "./sequence.ts";
import { split } from "./split.ts";
import { type Outcome, type Procedure, tune } from "./tune.ts";

/** Recipes with synthetic risks and prices, whose answers exist only in memory. */
export interface World {
  readonly name: string;
  readonly type: LossType;
  readonly risk: number;
  readonly items: number;
  /** True if recipes fail on independent items; if not, a lossier recipe also fails wherever a milder one does. */
  readonly independent?: boolean;
  /** Items per group; a group fails as a whole. */
  readonly group?: number;
  readonly candidates: readonly MadeUp[];
  /** Tunes the same recipes `count` times, each time with `more` additional items. */
  readonly attempts?: { readonly count: number; readonly more: number };
}

interface MadeUp extends Candidate {
  /** The expected loss at a length. */
  risk(tokens: number): number;
  /** Share of dense's price. */
  readonly price: number;
  /** True if the recipe's answers are NaN. */
  readonly broken?: boolean;
}

/** Prompts have these lengths, each equally often. */
const LENGTHS = Array.from({ length: 30 }, (_, i) => 100 * (i + 1));
const CONFIDENCE = 0.95;

interface MadeUpItem extends TuningItem {
  /** Random numbers: one per candidate, or a single number for all candidates. */
  readonly us: readonly number[];
}

function lossOf(type: LossType, risk: number, u: number): number {
  const BENEFIT = 0.03;
  switch (type) {
    case "binary":
      return u < risk ? 1 : 0;
    case "unit":
      return u < 2 * risk ? 0.5 : 0;
    case "signed":
      return u < BENEFIT + risk ? 1 : u > 1 - BENEFIT ? -1 : 0;
  }
}

function itemsOf({ group = 1, independent, candidates }: World, count: number, random: () => number): MadeUpItem[] {
  let us: number[] = [];
  let hash = "";
  return Array.from({ length: count }, (_, i) => {
    if (i % group === 0) {
      us = Array.from({ length: independent ? candidates.length : 1 }, random);
      hash = random().toString(36);
    }
    return { id: String(i), group: hash, tokens: LENGTHS[Math.floor(random() * LENGTHS.length)]!, us };
  });
}

function answersOf({ type, candidates }: World): Answers<MadeUpItem> {
  const known = new Map(candidates.map((candidate, place) => [candidate.recipe, { ...candidate, place }]));
  return {
    lossOf: async (recipe, { tokens, us }) => {
      const { broken, risk, place } = known.get(recipe)!;
      return broken ? Number.NaN : lossOf(type, risk(tokens), us[place % us.length]!);
    },
    pricesOf: async (recipes) =>
      recipes.map((recipe) => {
        const share = recipe === "dense" ? 1 : known.get(recipe)!.price;
        return ({ tokens }) => tokens * share;
      }),
    isCheaper: () => true,
  };
}

/** The expected loss of the worst allowed recipe; a lower bound if recipes are independent. */
function trueRisk(ladder: Ladder, { candidates }: World): number {
  const known = new Map(candidates.map((candidate) => [candidate.recipe, candidate]));
  const at = (tokens: number) =>
    rungsAt(ladder, tokens).map((recipe) => (recipe === "dense" ? 0 : known.get(recipe)!.risk(tokens)));
  return mean(LENGTHS.map((tokens) => Math.max(...at(tokens))));
}

function savingOf(ladder: Ladder, { candidates }: World): number {
  const known = new Map(candidates.map(({ recipe, price }) => [recipe, price]));
  const price = (tokens: number) =>
    tokens * Math.min(...rungsAt(ladder, tokens).map((recipe) => known.get(recipe) ?? 1));
  return 1 - mean(LENGTHS.map(price)) / mean(LENGTHS);
}

export interface Simulation {
  readonly world: string;
  readonly runs: number;
  /** Share of tuning runs that certified a ladder with a loss at or above the risk. */
  readonly wrong: number;
  readonly certified: number;
  /** Mean saving over all tuning runs. */
  readonly saving: number;
  /** Saving of the cheapest recipe that may be certified. */
  readonly admissible: number;
}

/** Tunes a world repeatedly, each time with new items. */
export async function simulate(world: World, runs: number, procedure?: Procedure): Promise<Simulation> {
  const random = seededRandom(17);
  let [wrong, certified, saving] = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    const chosen = await tunings(world, random, procedure);
    if (chosen.some((ladder) => trueRisk(ladder, world) >= world.risk - 1e-9)) wrong++;
    certified += Math.min(1, chosen.length);
    saving += chosen.length === 0 ? 0 : savingOf(chosen.at(-1)!, world);
  }
  const admissible = world.candidates.filter(({ risk }) => mean(LENGTHS.map(risk)) < world.risk - 1e-9);
  return {
    ...{ world: world.name, runs, wrong: wrong / runs, certified: certified / runs, saving: saving / runs },
    admissible: Math.max(0, ...admissible.map(({ price }) => 1 - price)),
  };
}

/** The ladders that the attempts certified. */
async function tunings(world: World, random: () => number, procedure?: Procedure): Promise<Ladder[]> {
  const { count, more } = world.attempts ?? { count: 1, more: 0 };
  const items = itemsOf(world, world.items, random);
  const ladders: Ladder[] = [];
  for (let attempt = 1; attempt <= count; attempt++) {
    if (attempt > 1) items.push(...itemsOf(world, more, random));
    const bound = { risk: world.risk, confidence: 1 - (1 - CONFIDENCE) / 2 ** (attempt - 1) };
    const problem: Problem<MadeUpItem> = { items, candidates: world.candidates, type: world.type, bound };
    const outcome: Outcome<MadeUpItem> = await tune(problem, answersOf(world), {}, procedure);
    if (outcome.chosen) ladders.push(outcome.chosen.ladder);
  }
  return ladders;
}

const flat = (recipe: string, risk: number, price: number, family = recipe, boldness = 0): MadeUp => ({
  ...{ recipe, family, boldness, price },
  risk: () => risk,
});

/** Three families of ten settings, from mild to bold. */
const thirty: readonly MadeUp[] = ["a", "b", "c"].flatMap((family, f) =>
  Array.from({ length: 10 }, (_, i) => {
    const bold = (i + 1) / 10;
    return flat(`${family}:${i}`, 0.06 * bold ** (f + 1), 1 - 0.35 * bold, family, i);
  }),
);

const atRisk = (type: LossType): World => ({
  ...{ name: `one recipe exactly at the risk, ${type} losses`, type, risk: 0.05, items: 600 },
  candidates: [flat("one", 0.05, 0.5)],
});

/** Each recipe loses only on the lengths where it is the cheapest. */
const ownLengths: readonly MadeUp[] = [0, 1, 2].map((third) => ({
  ...flat(`third:${third}`, 0, 0.5 + 0.1 * third),
  risk: (tokens) => (Math.floor((3 * (tokens - 1)) / 3000) === third ? 0.06 : 0),
}));

export const worlds: readonly World[] = [
  ...(["binary", "unit", "signed"] as const).map(atRisk),
  ...[300, 600, 1200].map(
    (items): World => ({
      ...{ name: `thirty recipes, ${items} items`, type: "binary", risk: 0.02, items, candidates: thirty },
    }),
  ),
  {
    ...{ name: "groups of ten that stand or fall together", type: "binary", risk: 0.05, items: 2000, group: 10 },
    candidates: [flat("one", 0.05, 0.5)],
  },
  {
    ...{ name: "ten recipes, each at the risk", type: "binary", risk: 0.05, items: 600, independent: true },
    candidates: Array.from({ length: 10 }, (_, i) => flat(`alike:${i}`, 0.05, 0.9 - 0.05 * i)),
  },
  {
    ...{ name: "ten recipes of one price and one risk", type: "binary", risk: 0.05, items: 600 },
    candidates: Array.from({ length: 10 }, (_, i) => flat(`alike:${i}`, 0.05, 0.5)),
  },
  { ...{ name: "nothing is ever lost", type: "binary", risk: 0.05, items: 300 }, candidates: [flat("one", 0, 0.5)] },
  { ...{ name: "ten items", type: "binary", risk: 0.05, items: 10 }, candidates: [flat("one", 0.05, 0.5)] },
  {
    ...{ name: "answers without a number", type: "unit", risk: 0.05, items: 300 },
    candidates: [{ ...flat("one", 1, 0.5), broken: true }],
  },
  {
    ...{ name: "three recipes, each lossy on lengths of its own", type: "binary", risk: 0.03, items: 900 },
    candidates: ownLengths,
  },
  {
    ...{ name: "five attempts, each with 150 items more", type: "binary", risk: 0.05, items: 300 },
    ...{ attempts: { count: 5, more: 150 }, candidates: [flat("one", 0.05, 0.5)] },
  },
];

/** Deliberately wrong tuners, each with the world that exposes it. */
export const broken: readonly { readonly name: string; readonly world: string; readonly procedure: Procedure }[] = [
  {
    ...{ name: "tests on the items that it searched", world: "ten recipes, each at the risk" },
    procedure: { split: (items) => ({ search: items, test: items }), test: testInOrder },
  },
  {
    ...{ name: "goes on after a failure", world: "ten recipes, each at the risk" },
    procedure: {
      split,
      test: async (order, items, problem, answers) =>
        await Promise.all(order.map((ladder) => testOf(ladder, items, problem, answers))),
    },
  },
  {
    ...{ name: "counts items for groups", world: "groups of ten that stand or fall together" },
    procedure: {
      split,
      test: (order, items, problem, answers) => testInOrder(order, alone(items), problem, answers),
    },
  },
];

const alone = <T extends TuningItem>(items: readonly T[]): T[] =>
  items.map((item) => ({ ...item, group: `${item.group}/${item.id}` }));
