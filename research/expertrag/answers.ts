/**
 * Answers questions of TriviaQA and NQ-open with and without passages, once each, and stores every gate's inputs. Few
 * questions are covered, that is, have their answer in the passages that a search finds; here, half of them are. A
 * stopped run resumes.
 *
 * npx tsx research/expertrag/answers.ts MODEL FILE.jsonl [--questions 300] [--index wiki-leads]
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load, openIndex, type SearchIndex } from "../../src/index.ts";
import { rowOf } from "../../src/lab/lookup/run.ts";
import { OwnResources } from "../../src/library/text-pipeline.ts";
import { AnswerBranches } from "../../src/pipelines/answer/branches.ts";
import { checkAnswerOptions } from "../../src/pipelines/answer/options.ts";
import { holds, type Question, questionsOf } from "./questions.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { questions: { type: "string", default: "300" }, index: { type: "string", default: "wiki-leads" } },
});
const [name, file] = positionals;
if (name === undefined || file === undefined) throw new Error("expected MODEL FILE.jsonl");

type Document = { readonly title: string; readonly text: string };
const isCovered = (documents: readonly Document[], { answers }: Question): boolean =>
  documents.some(({ title, text }) => holds(`${title} ${text}`, answers));

/** The first questions of a set that the index covers, and the first that it does not. */
async function strataOf(index: SearchIndex, set: Question["set"], each: number): Promise<Question[][]> {
  const [covered, not]: [Question[], Question[]] = [[], []];
  for (const question of await questionsOf(set)) {
    if (Math.min(covered.length, not.length) >= each) break;
    const { results } = await index.search(question.question, { top: 3 });
    (isCovered(results, question) ? covered : not).push(question);
  }
  return [covered.slice(0, each), not.slice(0, each)];
}

using model = await load(name);
await using index = await openIndex(values.index);
const resources = new OwnResources({ model: name }, { model }, { index });
const branches = new AnswerBranches(model.name, resources, checkAnswerOptions({}));

const key = ({ set, id }: Pick<Question, "set" | "id">) => `${set} ${id}`;
const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
const done = new Set(lines.map((line) => key(JSON.parse(line))));
const each = Number(values.questions) / 2;
const all = [...(await strataOf(index, "triviaqa", each)), ...(await strataOf(index, "nq-open", each))];
const strata = all.map((stratum) => ({
  left: stratum.filter((one) => !done.has(key(one))),
  answered: stratum.filter((one) => done.has(key(one))).length,
}));

// A run that is cut short leaves strata of about one size.
for (;;) {
  const [stratum] = strata.filter(({ left }) => left.length > 0).sort((a, b) => a.answered - b.answered);
  const question = stratum?.left.shift();
  if (!stratum || !question) break;
  const row = await rowOf(model, branches, question, { maxTokens: 32 });
  appendFileSync(file, `${JSON.stringify({ set: question.set, ...row })}\n`);
  stratum.answered++;
}
