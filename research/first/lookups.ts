/**
 * Writes chats that teach a model to look up a passage and answer with its letter: `npx tsx research/first/lookups.ts
 * CRANFIELD OUT short|whole [CHATS [SEED]]`. A chat shows a few passages and repeatedly asks for one of them: 9 or 12
 * lessons, for the tokens of two or three lists.
 *
 * `short` has passages of SQuAD, asked in few words by the question that they answer or by some of their own. `whole`
 * begins with a reranker's prompt and asks some queries in its whole wording, of passages near each other; one in two
 * chats has documents of Cranfield, asked by their titles and, in half of these, one by a query that is not held out.
 * `short` uses nothing from Cranfield.
 */
import { writeFileSync } from "node:fs";
import { answerOf, question, SYSTEM, task } from "../../src/engine/decode/listwise/prompt.ts";
import { oneLine } from "../../src/engine/decode/listwise/text.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { cranfieldQueries } from "./cranfield-queries.ts";
import { searcher } from "./searcher.ts";
import { excerptsOf, squadQuestions } from "./squad.ts";

const [folder = "", out = "", kind = "", chats = "1200", seed = "0"] = process.argv.slice(2);

/** A kind of chat. */
interface Kind {
  /** Words of a passage. */
  readonly words: number;
  /** Passages of a chat, at least and at most. */
  readonly passages: readonly [number, number];
  /** Queries of a chat. */
  readonly turns: number;
  /** A chat's first message. */
  begin(query: string, passages: readonly string[]): readonly Message[];
  /** The query of a later turn. */
  again(query: string, passages: number, turn: number): string;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

const queryLine = (query: string): string => `Query: "${query}"`;
const marked = (passages: readonly string[]): string =>
  passages.map((passage, i) => `${answerOf([i])} ${passage}`).join("\n");

const kinds: Readonly<Record<string, Kind>> = {
  short: {
    ...{ words: 24, passages: [4, 8], turns: 12, again: queryLine },
    begin: (query, passages) => [
      {
        role: "user",
        content: `${marked(passages)}\n\nName the passage that each query is about.\n${queryLine(query)}`,
      },
    ],
  },
  whole: {
    ...{ words: 20, passages: [8, 10], turns: 9 },
    // The last two are asked in the prompt's wording, as the first is.
    again: (query, passages, turn) => (turn > 6 ? task(query, passages) : `${queryLine(query)}.`),
    begin: (query, passages) => [
      { role: "system", content: SYSTEM },
      { role: "user", content: question(query, passages) },
    ],
  },
};
const chosenKind = kinds[kind];
if (chosenKind === undefined) throw new Error(`the kind is ${kind}, expected ${Object.keys(kinds).join(" or ")}`);
const { words: WORDS, passages: COUNTS, turns: TURNS, begin, again } = chosenKind;

/** The number of words quoted from a passage. */
const QUOTED = 4;
/** The maximum number of words in a title; a longer first sentence is not a title. */
const LONGEST = 25;
/** A chat's passages are drawn from this many of BM25's results. */
const NEAR = 40;

/** A passage, and what asks for it. */
interface Lesson {
  readonly query: string;
  readonly passage: string;
}

const random = seededRandom(Number(seed));
const below = (n: number): number => Math.floor(random() * n);

/** Passages that answer questions, among others that BM25 finds by one's question; `short` has any others. */
async function squad(): Promise<() => readonly Lesson[]> {
  const items = (await squadQuestions()).flatMap(({ question, passage, answers }) => {
    const excerpt = excerptsOf(passage, WORDS).find((text) => answers.some((answer) => text.includes(answer)));
    return excerpt === undefined ? [] : [[excerpt, question] as const];
  });
  const questions = new Map(items);
  const texts = [...questions.keys()];
  const search = searcher(texts);
  const near = () => search(questions.get(texts[below(texts.length)]!)!, NEAR);
  return () =>
    shuffle(kind === "short" ? [...texts] : near(), random).map((passage) => ({
      query: random() < 0.5 ? questions.get(passage)! : quoted(passage),
      passage,
    }));
}

function quoted(passage: string): string {
  const words = passage.split(" ");
  const from = below(Math.max(1, words.length - QUOTED + 1));
  return words.slice(from, from + QUOTED).join(" ");
}

/** Asks for documents by title, among similar ones. In every second chat, one document answers a judged query. */
async function cranfield(): Promise<() => readonly Lesson[]> {
  const { queries, ...all } = await cranfieldQueries(folder);
  const documents = all.documents.filter(
    ({ text }) => bodyOf(text).length >= WORDS && titleOf(text).split(" ").length <= LONGEST,
  );
  const search = searcher(documents.map(({ text }) => text));
  const byTitle = (text: string): Lesson => ({ query: titleOf(text), passage: bodyPart(text) });
  const judged = queries.flatMap(({ query, relevance }) => {
    const isRelevant = ({ id }: { readonly id: string }) => (relevance[id] ?? 0) > 0;
    const answers = documents.filter(isRelevant).map(({ text }) => text);
    const others = search(query, NEAR).filter((text) => !answers.includes(text));
    return answers.length === 0 ? [] : [{ query, answers, others }];
  });
  return () => {
    if (random() < 0.5)
      return shuffle(search(titleOf(documents[below(documents.length)]!.text), NEAR), random).map(byTitle);
    const { query, answers, others } = judged[below(judged.length)]!;
    const lesson = { query, passage: bodyPart(answers[below(answers.length)]!) };
    return [lesson, ...shuffle(others, random).map(byTitle)];
  };
}

const titleOf = (text: string): string => text.split(" . ")[0]!;
const bodyOf = (text: string): string[] => text.split(" . ").slice(1).join(" . ").split(/\s+/);

/** Some words of a document after its title. */
function bodyPart(text: string): string {
  const words = bodyOf(text);
  const from = below(Math.min(words.length - WORDS, 2 * WORDS) + 1);
  return words.slice(from, from + WORDS).join(" ");
}

function chat(lessons: readonly Lesson[]): readonly Message[] {
  const distinct = [...new Map(lessons.map((lesson) => [lesson.passage, lesson])).values()];
  const [fewest, most] = COUNTS;
  const chosen = shuffle(distinct.slice(0, fewest + below(most - fewest + 1)), random);
  const passages = chosen.map(({ passage }) => oneLine(passage, WORDS));
  // A repeated query could be answered from earlier turns: each passage is asked for once before any is repeated.
  const places = Array.from({ length: TURNS }, () => shuffle([...chosen.keys()], random)).flat();
  return Array.from({ length: TURNS }, (_, turn): readonly Message[] => {
    const i = places[turn]!;
    const query = oneLine(chosen[i]!.query);
    const answer = { role: "assistant", content: answerOf([i]) } as const;
    if (turn === 0) return [...begin(query, passages), answer];
    return [{ role: "user", content: again(query, passages.length, turn) }, answer];
  }).flat();
}

const fromSquad = await squad();
const fromCranfield = kind === "whole" ? await cranfield() : fromSquad;
const lines = Array.from({ length: Number(chats) }, (_, i) => {
  const messages = chat(i % 2 === 0 ? fromSquad() : fromCranfield());
  return JSON.stringify({ messages });
});
writeFileSync(out, `${lines.join("\n")}\n`);
process.stderr.write(`${lines.length} chats\n`);
