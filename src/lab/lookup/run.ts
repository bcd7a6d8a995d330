import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { priceOfLengths } from "../../engine/decode/dense-price.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { openIndex } from "../../library/open-index.ts";
import { OwnResources } from "../../library/text-pipeline.ts";
import { AnswerBranches } from "../../pipelines/answer/branches.ts";
import type { GateMethod } from "../../pipelines/answer/gate/gate.ts";
import { type AnswerInput, checkAnswerOptions } from "../../pipelines/answer/options.ts";
import { canReflect } from "../../pipelines/answer/reflection.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeWhole } from "../../util/write-whole.ts";
import type { IndexedRun } from "../indexed-run.ts";
import { holdsWords, normalised } from "../metrics/squad.ts";
import { stringify } from "../reals.ts";
import { machine, versions } from "../run/machine.ts";
import type { Task, TaskOf } from "../task.ts";
import { type ComparedQuestion, judgeLookups, type LookupReport } from "./policies.ts";
import { type Question, questionOf } from "./question.ts";

export const lookupRunOptions = z.object({
  limit: z.int().min(4).default(100).describe("questions"),
  seed: z.int().min(0).default(0).describe("seed for item selection"),
  maxTokens: z.int().min(1).default(32).describe("maximum number of tokens in an answer"),
});

/** A model that may look up questions in an index, and a question-answering task. */
export interface LookupRun extends IndexedRun {
  readonly answer: AnswerInput;
  readonly options: z.output<typeof lookupRunOptions>;
}

/**
 * Answers every question with and without passages, once, and judges each gate on these answers: its lookups, accuracy
 * and cost. Writes `results.jsonl`, one line per question as it is answered, and `report.json`; a stopped run resumes.
 * @throws UserError
 */
export async function runLookup(run: LookupRun): Promise<LookupReport> {
  const { task, options, out, command, version } = run;
  const questions = await questionsOf(run);
  makeFolders(out);
  const rows = await answered(run, questions);
  const report = judgeLookups(run.model, rows.rows, { vocabulary: rows.vocabulary });
  const provenance = { task: task.name, index: run.index, command, version, machine: machine(), versions: versions() };
  await writeWhole(path.join(out, "report.json"), `${stringify({ ...report, made: { ...provenance, ...options } })}\n`);
  return report;
}

const isGeneration = (task: Task): task is TaskOf<"generation"> => task.kind === "generation";

async function questionsOf({ task, options, signal, notice }: LookupRun): Promise<Question[]> {
  if (!isGeneration(task)) throw new UserError(`${task.name} asks no questions; expected a task such as triviaqa`, 2);
  const { seed, limit } = options;
  const questions: Question[] = [];
  for await (const item of task.items({ seed, limit, countTokens: () => 0, signal, onNotice: notice })) {
    questions.push(questionOf(item));
    if (questions.length === limit) break;
  }
  if (questions.length < 4)
    throw new UserError(`${task.name} has ${questions.length} questions, expected four or more`);
  return questions;
}

/** The rows of all questions; questions in `results.jsonl` are not answered again. */
async function answered(run: LookupRun, questions: readonly Question[]) {
  const { model: name, index: indexName, store, resolve, task, out, signal, notice, options } = run;
  const file = path.join(out, "results.jsonl");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const known = new Map(lines.map((line) => JSON.parse(line) as ComparedQuestion).map((row) => [row.id, row]));
  using model = await load(name, resolve);
  await using index = await openIndex(indexName, { ...resolve, store });
  const resources = new OwnResources({ model: name }, { model }, { index });
  const branches = new AnswerBranches(model.name, resources, checkAnswerOptions(run.answer));
  const terms = { maxTokens: options.maxTokens, signal };
  const rows: ComparedQuestion[] = [];
  for (const question of questions) {
    const row = known.get(question.id) ?? { set: task.name, ...(await rowOf(model, branches, question, terms)) };
    if (!known.has(question.id)) appendFileSync(file, `${JSON.stringify(row)}\n`);
    rows.push(row);
    notice(`${rows.length} of ${questions.length} questions`);
  }
  return { rows, vocabulary: model.language.engine.programs.decoder.config.vocabulary };
}

const holds = (text: string, answers: readonly string[]): boolean => answers.some((one) => holdsWords(text, one));

const costOf = ({ tokens, flops, ms }: Receipt) => ({ tokens, flops: flops.spent, ms: ms.total - ms.load });

/** Answers a question with and without passages, and computes the inputs of the gates. */
export async function rowOf(
  model: Model,
  branches: AnswerBranches,
  question: Question,
  terms: { readonly maxTokens: number; readonly signal?: AbortSignal | undefined },
): Promise<Omit<ComparedQuestion, "set">> {
  const methods: GateMethod[] = canReflect(model.language.tokenizer) ? ["self-reflection"] : [];
  const answers = await branches.answers(question.question, [...methods, "popularity"], terms);
  const { plain, retrieved, reflection, input } = answers;
  const judged = (text: string) => ({
    text,
    contains: holds(text, question.answers),
    exact: question.answers.some((answer) => normalised(answer) === normalised(text)),
  });
  const { prompt, cached } = plain.receipt.tokens;
  return {
    ...question,
    plain: { ...judged(plain.text), ...costOf(plain.receipt) },
    retrieved: { ...judged(retrieved.text), ...costOf(retrieved.receipt) },
    ...(reflection && { reflection: costOf(reflection) }),
    probe: {
      flops: priceOfLengths(model.language, { prompt, cached, completion: 1 }).flops,
      ms: plain.receipt.ms.prefill,
    },
    input: { signals: input.signals, rarity: input.rarity, reflection: input.reflection },
    covered: retrieved.documents.some(({ title, text }) => holds(`${title} ${text}`, question.answers)),
  };
}
