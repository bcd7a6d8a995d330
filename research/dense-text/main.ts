/**
 * Compares the answers of recipes that claim dense's text with dense's: `npx tsx research/dense-text/main.ts MODEL
 * [RECIPE…]`, all of them if none is named. Greedy, 64 tokens, 24 prompts. The last line is JSON.
 */
import { machine } from "../../bench/report.ts";
import {
  type Comparison,
  compare,
  denseTextPrompts,
  denseTextRecipes,
  observe,
} from "../../src/engine/decode/answer/dense-text.testing.ts";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";

const TOKENS = 64;

/** One recipe over all prompts. */
interface Total {
  readonly recipe: string;
  prompts: number;
  positions: number;
  drafts: number;
  accepted: number;
  /** The greatest difference of a log-probability. */
  worst: number;
  /** Prompts whose text differs, and the largest gap in nats between dense's two likeliest tokens at a difference. */
  readonly differ: number[];
  gap: number;
  /** The number of prompts after which a next turn finds a different state than after dense's answer. */
  otherState: number;
}

const [name = "smollm2", ...recipes] = process.argv.slice(2);
const source = await resolveModel(name);
using model = await LanguageModel.load(source);
const totals = (recipes.length > 0 ? recipes : Object.values(denseTextRecipes).flat()).map(
  (recipe): Total => ({ recipe, ...zero(), differ: [] }),
);
for (const [at, text] of denseTextPrompts.entries()) {
  const prompt = model.encode(text, false);
  const dense = await observe(model, "dense", prompt, TOKENS);
  for (const total of totals) {
    const answer = await observe(model, total.recipe, prompt, TOKENS);
    const found = compare(dense, answer);
    add(total, at, found, answer);
    console.log([at, total.recipe, JSON.stringify(found), answer.drafts, answer.accepted].join("\t"));
  }
}
console.log(JSON.stringify({ model: name, tokens: TOKENS, recipes: totals, machine: machine(source) }));

function zero() {
  return { prompts: 0, positions: 0, drafts: 0, accepted: 0, worst: 0, gap: 0, otherState: 0 };
}

function add(total: Total, at: number, found: Comparison, { drafts, accepted }: { drafts: number; accepted: number }) {
  total.prompts++;
  total.positions += found.positions;
  total.drafts += drafts;
  total.accepted += accepted;
  total.worst = Math.max(total.worst, found.worst);
  if (found.differsAt !== undefined) total.differ.push(at);
  total.gap = Math.max(total.gap, found.gap ?? 0);
  if (!found.sameState) total.otherState++;
}
