/**
 * Counts a model's right answers under sampling settings, on the questions used to choose its default: `npx tsx
 * research/first-minute/choose.ts MODEL QUANT '{"repetitionPenalty":1.05}' '{"temperature":0.2,"topP":0.9,"seed":1}' …`
 */
import { load } from "../../src/index.ts";
import { quantOptions } from "../../src/weights/prepared/weights.ts";
import { isRight, questionsIn } from "./judge.ts";

/** The maximum number of tokens in an answer. */
const TOKENS = 48;

const [name = "smollm2", form, ...all] = process.argv.slice(2);
const questions = questionsIn("choosing.jsonl");
using model = await load(name, quantOptions.parse({ quant: form }));
for (const settings of all) {
  const options = { ...JSON.parse(settings), maxTokens: TOKENS, repetitionDetection: false };
  // A cache's contents change how 8-bit activations round.
  model.language.engine.forget();
  const answers = await model.completeAll(questions.map(({ question }) => ({ prompt: question, ...options })));
  const right = questions.filter((question, i) => isRight(question, answers[i]!.text)).length;
  console.log(JSON.stringify({ settings: JSON.parse(settings), right, of: questions.length }));
}
