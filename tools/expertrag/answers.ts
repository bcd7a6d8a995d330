/**
 * Answers questions of TriviaQA and NQ-open with and without passages, once each, and keeps what every gate reads. Of
 * each set, half of the questions are ones whose answer is in the passages that a search finds, and half are not: few
 * of all are. A run that was stopped goes on where it was.
 *
 *     npx tsx tools/expertrag/answers.ts MODEL FILE.jsonl [--questions 300] [--index wiki-leads]
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { AnswerPipeline, load, type Model, openIndex, type Receipt, type SearchIndex } from "../../src/index.ts";
import { normalised } from "../../src/lab/metrics/squad.ts";
import { answerModelOf } from "../../src/library/answer-pipeline.ts";
import { ALWAYS, NEVER } from "../../src/pipelines/answer/gate/gate.ts";
import { rarityOf } from "../../src/pipelines/answer/gate/rarity.ts";
import { reflectionOf, type Signals, signalsOf } from "../../src/pipelines/answer/gate/signals.ts";
import { checkAnswerOptions } from "../../src/pipelines/answer/options.ts";
import { reflectionPrompt, reflectionTokens } from "../../src/pipelines/answer/reflection.ts";
import { holds, type Question, questionsOf } from "./questions.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { questions: { type: "string", default: "300" }, index: { type: "string", default: "wiki-leads" } },
});
const [name, file] = positionals;
if (name === undefined || file === undefined) throw new Error("expected MODEL FILE.jsonl");

/** The first questions of a set that the index covers, each followed by one that it does not. */
async function halfCovered(index: SearchIndex, set: Question["set"], count: number): Promise<Question[]> {
  const strata: Record<"covered" | "not", Question[]> = { covered: [], not: [] };
  for (const question of await questionsOf(set)) {
    if (Math.min(strata.covered.length, strata.not.length) >= count / 2) break;
    const { results } = await index.search(question.question, { top: 3 });
    strata[isCovered(results, question) ? "covered" : "not"].push(question);
  }
  return strata.covered.slice(0, count / 2).flatMap((one, i) => [one, strata.not[i]!]);
}

const isCovered = (documents: readonly { title: string; text: string }[], { answers }: Question): boolean =>
  documents.some(({ title, text }) => holds(`${title} ${text}`, answers));

const exact = (text: string, answers: readonly string[]): boolean =>
  answers.some((answer) => normalised(answer) === normalised(text));

const SETTINGS = { temperature: 0, maxTokens: 32 };

const costOf = ({ tokens, flops, ms }: Receipt) => ({ tokens, flops: flops.spent, ms: ms.total - ms.load });

async function answered(pipeline: AnswerPipeline, { question, answers }: Question) {
  let signals: Signals | undefined;
  const observe = (logits: Float32Array) => {
    signals ??= signalsOf(logits);
  };
  const { text, documents, retrieval, receipt } = await pipeline.answer(question, { ...SETTINGS, observe });
  const judged = { text, contains: holds(text, answers), exact: exact(text, answers) };
  return {
    ...judged,
    ...costOf(receipt),
    prefill: receipt.ms.prefill,
    search: retrieval.ms.search,
    signals,
    documents,
  };
}

async function reflected(model: Model, question: string) {
  const { tokenizer } = model.language;
  const { yes, no } = reflectionTokens(tokenizer);
  let ratio = Number.NaN;
  const observe = (logits: Float32Array) => {
    ratio = reflectionOf(logits, yes, no);
  };
  const { receipt } = await model.complete(reflectionPrompt(tokenizer, question), {
    temperature: 0,
    maxTokens: 1,
    observe,
  });
  return { ratio, ...costOf(receipt) };
}

const key = ({ set, id }: Pick<Question, "set" | "id">) => `${set} ${id}`;
const done = new Set(
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => key(JSON.parse(line)))
    : [],
);
using model = await load(name);
await using index = await openIndex(values.index);
const count = Number(values.questions);
const [trivia, natural] = [await halfCovered(index, "triviaqa", count), await halfCovered(index, "nq-open", count)];
const pipelineOf = (retrieval: "always" | "never") =>
  new AnswerPipeline(model, index, checkAnswerOptions({ retrieval }), retrieval === "always" ? ALWAYS : NEVER);
const [always, never] = [pipelineOf("always"), pipelineOf("never")];
const { tokenizer, price } = { ...answerModelOf(model), tokenizer: model.language.tokenizer };
const vocabulary = { encode: (text: string) => tokenizer.encode(text), size: tokenizer.vocabSize };

for (const question of trivia
  .flatMap((one, i) => [one, ...(natural[i] ? [natural[i]] : [])])
  .filter((one) => !done.has(key(one)))) {
  const { signals, documents: _, ...plain } = await answered(never, question);
  const { signals: __, documents, ...retrieved } = await answered(always, question);
  const reflection = await reflected(model, question.question);
  const covered = isCovered(documents, question);
  const input = { signals, rarity: rarityOf(question.question, vocabulary), reflection: reflection.ratio };
  const probe = {
    flops: price({ prompt: plain.tokens.prompt, cached: plain.tokens.cached, completion: 1 }).flops,
    ms: plain.prefill,
  };
  const row = {
    ...question,
    plain,
    retrieved,
    reflection,
    probe,
    input,
    covered,
    documents: documents.map(({ id }) => id),
  };
  appendFileSync(file, `${JSON.stringify(row)}\n`);
}
