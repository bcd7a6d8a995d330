/**
 * Counts right greedy answers to research/first-minute's questions with prompts computed in 8 bits, with and without
 * rotation, and dense: `npx tsx research/forms/questions.ts MODEL`. The answers go to
 * int8-prefill/questions/MODEL.json, the counts are the last line.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { load } from "../../src/index.ts";
import { isRight, questionsIn } from "../first-minute/judge.ts";

/** Tokens of an answer. */
const TOKENS = 48;
/** The least length is 1, since these prompts are short. */
const RECIPES = ["dense", "int8-prefill:rotation=0,minLength=1", "int8-prefill:rotation=32,minLength=1"];

const [name = "smollm2"] = process.argv.slice(2);
const questions = [...questionsIn("questions.jsonl"), ...questionsIn("choosing.jsonl")];
using model = await load(name);
const measured = [];
for (const recipe of RECIPES) {
  // Cached prompts change how activations round.
  model.language.engine.forget();
  const prompts = questions.map(({ question }) => ({
    ...{ prompt: question, save: [recipe], maxTokens: TOKENS },
    ...{ temperature: 0, repetitionPenalty: 1, repetitionDetection: false },
  }));
  const texts = (await model.completeAll(prompts)).map(({ text }) => text);
  const right = questions.filter((question, i) => isRight(question, texts[i]!)).length;
  measured.push({ recipe, right, of: questions.length, texts });
}
const folder = path.join(import.meta.dirname, "int8-prefill", "questions");
mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(measured, null, 1)}\n`);
console.log(JSON.stringify(measured.map(({ recipe, right, of }) => ({ recipe, right, of }))));
