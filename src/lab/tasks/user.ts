import { z } from "zod";
import { fieldsOf, parseRow, type Row } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { filesOf } from "../../weights/sources/data-place.ts";
import type { ChatMessage } from "../../weights/tokenizer/index.ts";
import type { ChoiceItem, GenerationItem, Item } from "../item.ts";
import { containsAnswer } from "../metrics/index.ts";
import type { ItemsFor, Task, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";
import { readOptions } from "./family.ts";
import { chosenFirst, ofChoices, ofTexts } from "./user-metrics.ts";

const value = z
  .union([z.string(), z.number()], "expected a text or a number")
  .transform(String)
  .refine((text) => text.trim() !== "", "expected a text or a number, got an empty text");
const prompt = z.string("expected a text").min(1, "expected a text, got an empty one");

const answer = z
  .union([value, z.array(value)], "expected a text, a number or a list of them")
  .transform((answer) => (Array.isArray(answer) ? answer : [answer]))
  .refine((answers) => answers.length > 0, "expected an answer, got an empty list");

const question = z.object({ prompt, answer });
const group = value.optional();

const turn = z.strictObject({ role: z.string("expected a role"), content: z.string("expected a text") });
const messages = z
  .array(turn, "expected a list of turns { role, content }")
  .min(1, "expected a turn, got an empty list")
  .refine(
    (turns) => turns.length !== 1 || turns[0]!.role !== "assistant",
    "expected another turn before the assistant's, which the answer continues",
  );
const conversation = z.object({ messages, answer });

/** A table stores lists and numbers as JSON text. */
function fromCell(value: unknown): unknown {
  try {
    return typeof value === "string" ? JSON.parse(value) : value;
  } catch {
    return value;
  }
}

function differing({ value: choices, issues }: z.core.ParsePayload<string[]>): void {
  const trimmed = choices.map((choice) => choice.trim());
  const twice = trimmed.find((choice, i) => trimmed.indexOf(choice) !== i);
  if (twice === undefined) return;
  const message = `expected choices that differ, got ${JSON.stringify(twice)} twice`;
  issues.push({ code: "custom", input: choices, message });
}

const chosen = z
  .object({
    prompt,
    choices: z.preprocess(
      fromCell,
      z.array(value, "expected a list of texts").min(2, "expected two choices or more").check(differing),
    ),
    gold: z.preprocess(fromCell, z.int("expected the index of the correct choice, counted from 0")),
  })
  .refine(({ choices, gold }) => gold >= 0 && gold < choices.length, {
    path: ["gold"],
    error: ({ input }) => outside(input as { choices: string[]; gold: number }),
  });

const outside = ({ choices, gold }: { choices: string[]; gold: number }): string =>
  `expected an index from 0 to ${choices.length - 1}, got ${gold}`;

const own = z.strictObject({ file: z.string("expected a file: FILE,metric=NAME"), metric: z.string().optional() });

/** An item before the model is known; the model's tokenizer determines the answer's length. */
type Draft<T extends Item> = (countTokens: ItemsFor["countTokens"]) => T;

/**
 * The task of a user's own file, `FILE` or `FILE,metric=rouge-l`: rows of `{"prompt", "answer"}` or `{"messages",
 * "answer"}`, with a list if there are several correct answers, or of `{"prompt", "choices", "gold"}`. The whole file
 * is read and checked before anything runs.
 * @throws UserError that names file and line
 */
export async function userTask(
  spec: string,
  options: Pick<ItemsFor, "signal" | "onNotice" | "onProgress"> = {},
): Promise<Task> {
  const { file, metric } = readOptions("a file's task", own, spec, "file");
  const rows = await rowsIn(file, options);
  const kind = kindOf(rows[0]!);
  for (const row of rows)
    if (kindOf(row) !== kind)
      throw new UserError(
        `${row.where}: this item has ${words[kindOf(row)]}, the ones before it have ${words[kind]}; expected one kind`,
      );
  switch (kind) {
    case "choice":
      return task({ name: spec, file, kind }, chosenFirst(metric, ofChoices), rows.map(choice));
    case "messages":
      return chatTask(spec, file, metric, rows.map(conversed));
    case "prompt": {
      const questions = rows.map((row) => parseRow(question, row));
      const plain = questions.map((each, i) => generation(String(rows[i]!.number), each));
      const turns = questions.map((each, i) => chatted(String(rows[i]!.number), asTurn(each)));
      const metrics = chosenFirst(metric, ofTexts, 3);
      return {
        ...task({ name: spec, file, kind: "generation" }, metrics, plain),
        chat: chatTask(spec, file, metric, turns),
      };
    }
  }
}

/** A prompt from a user's file, with its answers and group. */
export interface UserPrompt {
  readonly prompt: string | readonly ChatMessage[];
  /** Reference answers; empty if the file has only prompts. */
  readonly answers: readonly string[];
  /** Prompts of one group are not independent: they may succeed or fail together. */
  readonly group: string | undefined;
}

const anyPrompt = z.object({
  prompt: prompt.optional(),
  messages: messages.optional(),
  answer: answer.optional(),
  group,
});

/**
 * The prompts of a user's own file, `FILE` or `FILE,metric=rouge-l`: rows of `{"prompt"}` or `{"messages"}`, all with
 * an "answer" or none, and a "group" if some belong together.
 * @throws UserError that names file and line
 */
export async function userPrompts(
  spec: string,
  options: Pick<ItemsFor, "signal" | "onNotice" | "onProgress"> = {},
): Promise<{ readonly prompts: UserPrompt[]; readonly metrics: TaskOf<"generation">["metrics"] | undefined }> {
  const { file, metric } = readOptions("a file's task", own, spec, "file");
  const rows = await rowsIn(file, options);
  const prompts = rows.map(promptOf);
  const answered = prompts[0]!.answers.length > 0;
  const other = prompts.findIndex(({ answers }) => answers.length > 0 !== answered);
  if (other >= 0) {
    const [has, before] = answered ? ["no", "one"] : ["an", "none"];
    throw new UserError(`${rows[other]!.where}: this item has ${has} "answer", the ones before it have ${before}`);
  }
  if (!answered && metric !== undefined)
    throw new UserError(`${spec}: a metric needs answers, but the items have none; omit ,metric=${metric}`, 2);
  // The server answers as in a chat, so an answer may be longer than its reference.
  return { prompts, metrics: answered ? chosenFirst(metric ?? containsAnswer.name, ofTexts) : undefined };
}

function promptOf(row: Row): UserPrompt {
  const { value, where } = row;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UserError(`${where}: expected an object with a "prompt" or "messages"`);
  if ("choices" in value)
    throw new UserError(`${where}: "choices" are scored, not generated; expected a "prompt" to answer`);
  const { prompt: text, messages: turns, answer: answers = [], group: named } = parseRow(anyPrompt, row);
  const prompt = turns ?? text;
  if (prompt === undefined || (text !== undefined && turns !== undefined))
    throw new UserError(
      `${where}: expected a "prompt" or "messages", ${prompt === undefined ? fieldsOf(value) : "got both"}`,
    );
  return { prompt: prompt, answers, group: named };
}

/** Chat answers are sentences: they contain the correct answer more often than they equal it. */
const chatTask = (name: string, file: string, metric: string | undefined, items: Draft<GenerationItem>[]) =>
  task({ name, file, kind: "generation" }, chosenFirst(metric ?? containsAnswer.name, ofTexts, 3), items);

async function rowsIn(file: string, options: Pick<ItemsFor, "signal" | "onNotice" | "onProgress">): Promise<Row[]> {
  const [path] = await filesOf(file, options);
  const rows: Row[] = [];
  for await (const row of rowsOf(path!)) rows.push(isTextTable(path!) ? withAnswers(row) : row);
  if (rows.length === 0) throw new UserError(`${file}: there are no items in it`);
  return rows;
}

const isTextTable = (path: string): boolean => /\.[ct]sv(\.gz)?$/i.test(path);

/**
 * A cell may hold several correct answers as a JSON list of texts. A list of numbers may be an answer itself: an
 * interval, a vector.
 */
function withAnswers({ value, ...row }: Row): Row {
  const { answer } = value as Record<string, string>;
  const list = fromCell(answer);
  const several = Array.isArray(list) && list.every((one) => typeof one === "string");
  return { ...row, value: several ? { ...(value as object), answer: list } : value };
}

const words = {
  choice: '"choices"',
  prompt: 'an "answer"',
  messages: '"messages"',
} as const;

function kindOf({ where, value }: Row): keyof typeof words {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UserError(`${where}: expected an object with a "prompt" and an "answer" or "choices"`);
  const [answer, choices] = ["answer" in value, "choices" in value];
  if (answer && choices)
    throw new UserError(
      `${where}: expected an "answer", or "choices" with the index of the correct choice as "gold" (0 is the first), got "answer" and "choices"`,
    );
  if (!answer && !choices)
    throw new UserError(`${where}: this item has neither an "answer" nor "choices", ${fieldsOf(value)}`);
  return choices ? "choice" : "messages" in value ? "messages" : "prompt";
}

const task = <K extends "choice" | "generation">(
  { name, file, kind }: { readonly name: string; readonly file: string; readonly kind: K },
  metrics: TaskOf<K>["metrics"],
  items: Draft<Extract<Item, { kind: K }>>[],
) => ({
  ...{ name, summary: "A user's own items", kind, source: file, size: items.length, metrics },
  async *items(run: ItemsFor) {
    for (const draft of drawn([...items], run)) yield draft(run.countTokens);
  },
});

/** A choice follows a space, which is added unless the prompt ends or the choice begins with white space. */
function choice(row: Row): Draft<ChoiceItem> {
  const { prompt, choices, gold } = parseRow(chosen, row);
  const join = (choice: string) => (/\s$/.test(prompt) || /^\s/.test(choice) ? choice : ` ${choice}`);
  const pairs = choices.map((choice) => ({ context: prompt, continuation: join(choice) }));
  return () => ({ kind: "choice", id: String(row.number), choices: pairs, gold });
}

type Question = z.output<typeof question>;
type Conversation = z.output<typeof conversation>;

/** A one-line answer ends at its line break. Generated text may be twice as long as the longest answer. */
function generation(id: string, { prompt, answer: answers }: Question): Draft<GenerationItem> {
  const stop = answers.some((answer) => answer.trim().includes("\n")) ? [] : ["\n"];
  return (countTokens) => ({
    ...{ kind: "generation", id, prompt, stop, answers },
    maxTokens: lengthFor(answers, 32, countTokens),
  });
}

/** The maximum number of tokens in a chat answer, which is longer than the correct answer alone. */
export const CHAT_TOKENS = 128;

/** In chat, the model itself ends its answer. */
const chatted =
  (id: string, { messages, answer: answers }: Conversation): Draft<GenerationItem> =>
  (countTokens) => ({
    ...{ kind: "generation", id, prompt: transcript(messages), messages, stop: [], answers },
    maxTokens: lengthFor(answers, CHAT_TOKENS, countTokens),
  });

const conversed = (row: Row): Draft<GenerationItem> => chatted(String(row.number), parseRow(conversation, row));

const asTurn = ({ prompt, answer }: Question): Conversation => ({
  messages: [{ role: "user", content: prompt }],
  answer,
});

/** The turns as text for a report. */
const transcript = (messages: readonly ChatMessage[]): string =>
  messages.length === 1
    ? String(messages[0]!.content)
    : messages.map(({ role, content }) => `${role}: ${content}`).join("\n\n");

/** The maximum number of tokens for an answer that should contain one of `answers`. */
export const lengthFor = (answers: readonly string[], least: number, countTokens: ItemsFor["countTokens"]): number =>
  Math.max(least, ...answers.map((answer) => 2 * countTokens(answer)));
