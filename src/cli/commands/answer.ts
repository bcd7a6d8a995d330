import type { Command } from "commander";
import type { Answered, AnswerPipeline, Receipt } from "../../index.ts";
import { lookupPipeline } from "../../pipelines/registry.ts";
import { printable } from "../../util/printable.ts";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { common, examples, STORE } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption, recipeOf } from "../recipe.ts";
import { addSessionFlags, billed, generation, printed, type SessionOptions } from "../session.ts";
import { defineCalibrate } from "./answer-calibrate.ts";

const answerOptions = await lookupPipeline.options();

interface Flags extends SessionOptions {
  index?: string;
  store?: string;
  json?: boolean;
}

export function define(command: Command): void {
  // Options are parsed by position, since `answer calibrate` also has flags with these names.
  const verb = command
    .enablePositionalOptions()
    .argument("<question>", "the question")
    .addOption(common("--index <name>", "the index to search; not needed with --retrieval never"))
    .option("--store <address>", STORE)
    .addOption(common("--json", "print one JSON object with text, documents and receipt"));
  addFlags(addSessionFlags(verb), answerOptions, "Retrieval").action(answer);
  examples(command, 'modicum answer "Who wrote Emma?" --index books', 'modicum answer "2 + 2?" --retrieval never');
  defineCalibrate(command);
}

async function answer(question: string, flags: Flags): Promise<void> {
  await lookupPipeline.checkQuestion(question);
  const signal = interruptSignal();
  const settings = { ...generation(flags), signal };
  await using pipeline = await open(flags, signal);
  const give = flags.json ? whole : stream;
  await billed((onStopped) => give(pipeline, question, { ...settings, onStopped }));
}

async function open(flags: Flags, signal: AbortSignal): Promise<AnswerPipeline> {
  const { model, save = [], recipe, adapter, index, store } = flags;
  const savings = await recipeOf(save, recipe);
  using download = showDownload(model);
  const { openAnswerer } = await import("../../library/answer-pipeline.ts");
  return await openAnswerer(model, {
    ...{ save: savings, adapter, index, store, signal, answer: readFlags(answerOptions, flags) },
    ...formOption(flags),
    ...download,
  });
}

type Settings = Parameters<AnswerPipeline["generate"]>[1];

async function whole(pipeline: AnswerPipeline, question: string, settings: Settings): Promise<Receipt> {
  const answered = await pipeline.answer(question, settings);
  printJson(shown(answered));
  return answered.receipt;
}

const shown = ({ text, finishReason, retrieved, documents, citations, retrieval, receipt }: Answered) => {
  const { method, score, threshold, nothingFound, ms } = retrieval;
  const gate = { method, score, threshold };
  const found = nothingFound && { nothing_found: true };
  return { text, finish_reason: finishReason, retrieved, ...found, documents, citations, gate, ms, receipt };
};

/** Prints the decision on stderr, then the text as it arrives. */
const stream = (pipeline: AnswerPipeline, question: string, settings: Settings): Promise<Receipt> =>
  printed(pipeline.generate(question, settings), ({ retrieval, receipt }) => {
    if (retrieval && !receipt) tell(retrieval);
  });

function tell({ documents, nothingFound }: Answered["retrieval"]): void {
  if (nothingFound) warn("the search found nothing; the answer is the model's own");
  for (const [i, { id, title }] of documents.entries())
    process.stderr.write(`[${i + 1}] ${printable(title === "" ? id : title)}\n`);
}
