/**
 * Writes a task to tune on: `npx tsx research/auto/tasks.ts NAME FILE.jsonl COUNT [FROM]`, NAME being edits, passages,
 * science or sums. Items from FROM on are fresh for a tuning on the earlier ones.
 */
import { UserError } from "../../src/index.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeWhole } from "../../src/util/write-whole.ts";
import { itemsOf } from "../common/tasks.ts";

interface Turn {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** A conversation, and what a right answer contains. */
interface Item {
  readonly messages: readonly Turn[];
  readonly answer?: string;
}

const alone = (content: string): Pick<Item, "messages"> => ({ messages: [{ role: "user", content }] });

/** A question preceded by an answered one, which shows the form of answers. */
const after = (question: string, answer: string, next: string): Pick<Item, "messages"> => ({
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer },
    { role: "user", content: next },
  ],
});

/** New names of a parameter. */
const NAMES = ["values", "first", "source", "given", "entry", "amount"];
const MOST_LINES = 8;
const MOST_CHARACTERS = 260;

const code = (text: string): string => `\`\`\`python\n${text}\n\`\`\``;
const rename = (text: string, from: string, to: string): string =>
  `Rename the parameter ${from} to ${to} and write the whole function:\n\n${code(text)}`;
const renamed = (text: string, from: string, to: string): string => text.replace(new RegExp(`\\b${from}\\b`, "g"), to);
const EXAMPLE = "def double(x):\n    y = x + x\n    return y";

/** Code that a model would write with other spaces, which an exact comparison counts as wrong. */
const UNEVEN = /,\S|\S[=<>+*%/]=?\S|\( |\s[,;)]|;/;

/** Renames the first parameter of a short Python function; undefined if that is no plain edit. */
function edit(source: string): Item | undefined {
  const lines = source.trimEnd().split("\n");
  const parameter = /^def \w+\(\s*(\w+)/.exec(lines[0]!)?.[1];
  const name = NAMES.find((name) => !source.includes(name));
  if (parameter === undefined || name === undefined) return undefined;
  if (lines.length < 2 || lines.length > MOST_LINES || source.length > MOST_CHARACTERS) return undefined;
  if (UNEVEN.test(source) || parameter.length === 1) return undefined;
  const text = lines.map((line) => line.replaceAll("\t", "    ").trimEnd()).join("\n");
  const [question, answer] = [rename(EXAMPLE, "x", "number"), code(renamed(EXAMPLE, "x", "number"))];
  return { ...after(question, answer, rename(text, parameter, name)), answer: renamed(text, parameter, name) };
}

const quote = (passage: string): Item => ({
  ...alone(`Repeat this text word by word:

${passage}`),
  answer: passage,
});

/** The number of quotes per edit. */
const QUOTES = 3;

/** Code edits and text quotes, alternating. */
async function* edits(): AsyncGenerator<Item> {
  const passages = shortPassages();
  for await (const { answers } of itemsOf("generation", "mbpp")) {
    const item = edit(answers[0]!);
    if (item === undefined) continue;
    yield item;
    for (let quotes = 0; quotes < QUOTES; quotes++) {
      const passage = (await passages.next()).value;
      if (passage) yield quote(passage);
    }
  }
}

/** Characters of a passage to repeat. */
const SHORT = [120, 360] as const;

/** Short passages of SciQ. */
async function* shortPassages(): AsyncGenerator<string, undefined> {
  for await (const { choices } of itemsOf("choice", "sciq")) {
    const text = choices[0]!.context.replace(/\nQuestion: .*\nAnswer:$/s, "").trim();
    if (text.length >= SHORT[0] && text.length <= SHORT[1] && !text.includes("\n")) yield text;
  }
  return undefined;
}

/** The number of characters in about 4,500 tokens. */
const LONG = 20_000;

/** A question about one of BoolQ's passages, which is placed at random among others. */
async function* passages(): AsyncGenerator<Item> {
  const rows: { passage: string; question: string }[] = [];
  for await (const { choices } of itemsOf("choice", "boolq")) {
    const [, passage, question] = /^(.*)\nQuestion: (.*)\nAnswer:$/s.exec(choices[0]!.context)!;
    rows.push({ passage: passage!, question: question! });
  }
  const random = seededRandom(0);
  for (const { passage, question } of rows) {
    const texts: string[] = [];
    let size = passage.length;
    while (size < LONG) {
      const other = rows[Math.floor(random() * rows.length)]!.passage;
      texts.push(other);
      size += other.length;
    }
    texts.splice(Math.floor(random() * (texts.length + 1)), 0, passage);
    yield alone(`${texts.join("\n\n")}\n\nAnswer in one sentence: ${question}`);
  }
}

const LETTERS = ["A", "B", "C", "D"];
const COLOUR = "What colour is the sky on a clear day?\n\n(A) green\n(B) red\n(C) blue\n(D) black";

/** SciQ's questions on their passages, the four answers in random order. */
async function* science(): AsyncGenerator<Item> {
  const random = seededRandom(0);
  for await (const { choices, gold } of itemsOf("choice", "sciq")) {
    const [, passage, question] = /^(.*)\nQuestion: (.*)\nAnswer:$/s.exec(choices[0]!.context)!;
    if (passage === "") continue;
    const order = choices.map((_, i) => ({ i, key: random() })).toSorted((a, b) => a.key - b.key);
    const list = order.map(({ i }, place) => `(${LETTERS[place]})${choices[i]!.continuation}`).join("\n");
    const right = LETTERS[order.findIndex(({ i }) => i === gold)];
    yield { ...after(COLOUR, "The answer is (C).", `${passage}\n\n${question}\n\n${list}`), answer: `(${right})` };
  }
}

/** Sums of two numbers below fifty, each once. */
async function* sums(): AsyncGenerator<Item> {
  const random = seededRandom(0);
  const pairs = Array.from({ length: 49 * 49 }, (_, i) => [1 + Math.floor(i / 49), 1 + (i % 49)] as const);
  const drawn = pairs.map((pair) => ({ pair, key: random() })).toSorted((a, b) => a.key - b.key);
  for (const {
    pair: [a, b],
  } of drawn)
    yield { ...alone(`What is ${a} + ${b}?`), answer: String(a + b) };
}

const tasks: Record<string, () => AsyncGenerator<Item>> = { edits, passages, science, sums };

async function main([name = "", file, count, from = "0"]: readonly string[]): Promise<void> {
  const task = tasks[name];
  if (!task || !file || !count)
    throw new UserError(`expected one of ${Object.keys(tasks).join(", ")}, a file and a number of items`);
  const lines: string[] = [];
  let place = 0;
  for await (const item of task()) {
    if (place++ < Number(from)) continue;
    lines.push(`${JSON.stringify(item)}\n`);
    if (lines.length === Number(count)) break;
  }
  await writeWhole(file, lines.join(""));
}

await main(process.argv.slice(2));
