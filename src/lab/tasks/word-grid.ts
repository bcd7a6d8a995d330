import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import type { GenerationItem } from "../item.ts";
import { exactMatch } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";

/** 400 words; each, with the space before it, is a single token in every tokenizer that was tried. */
const WORDS = `
  apple arm army art baby back bag ball band bank bar base bath beach bear bed bell belt bench bird block blood
  board boat body bone book boot border bottle bowl box boy brain branch bread bridge brother brush bus button
  cake camera camp car card cat chain chair chest chicken child church circle city class clock cloth cloud club
  coach coast coat coffee coin college corn cotton country court cover cow cream cross crowd crown cup cycle
  dance daughter desert desk diamond dinner doctor dog door dream dress drink driver drum duck dust eagle ear
  earth edge egg engine eye face factory family farm father feather fence field film finger fire fish flag
  flame floor flower food foot forest fork fox frame friend frog fruit game garden gate ghost giant gift girl
  glass goat gold grain grass guard guest guitar gun hair hall hammer hand hat head heart hill home honey horse
  hospital hotel house ice iron island jacket jar jewel job judge juice key king kitchen knife lady lake lamp
  land leaf leather leg lemon letter library light lion lip list lock machine magic mail map market mask meal
  meat metal milk mine mirror money monkey moon mother mountain mouse mouth movie museum music nail neck needle
  nest net news night nose nurse oak ocean office oil onion orange owner page paint palace paper park party
  path pen pencil pepper phone piano picture pie pig pilot pipe planet plant plate player pocket poem poet
  police pond pool port pot potato prince prison queen rabbit radio rain ring river road robot rock roof room
  root rope rose salt sand school science sea seat seed shadow sheep shell ship shirt shoe shop silk silver
  singer sister skin sky smoke snake snow soap soil soldier son song soup spider spoon spring square stage star
  station steam steel stone storm story street student sugar suit summer sun sword table tail tank tea teacher
  team tent theater throne ticket tiger tile tooth tower town toy track train tree truck tube uncle valley
  village voice wagon wall watch water wave weapon wheel wife wind window wine wing winter wire wolf woman wood
  wool worker world yard year hour minute week month morning evening color red green blue black white yellow
  brown purple pink gray small large long short high low old young new good bad fast slow warm cold dry wet
  hard soft sharp
`
  .trim()
  .split(/\s+/);

/** Rows are named by letters. */
const ROWS = [..."ABCDEFGHIJKLMNOPQRST"];

const kinds = ["next", "first", "row"] as const;

const options = z.strictObject({
  ask: z.enum(kinds, `expected one of ${kinds.join(", ")}`).prefault("next"),
  side: count(4, ROWS.length).prefault("20"),
});

type GridOptions = z.output<typeof options>;

/** The default number of grids. */
const USUAL = 200;

/** The number of tokens in a row before its words: a line break, its name and a colon. */
const MARKS = 3;

/** The number of answered questions before the last one. */
const EXAMPLES = 3;

/** The minimum number of a row's words that the question repeats before it asks for the next word. */
const SAID = 3;

const metadata = {
  summary:
    "Questions about a grid of shuffled words that stands in for an image: a row's next word, its first, or a word's row",
  kind: "generation",
  size: undefined,
  metrics: [exactMatch],
} as const;

export const wordGrid: Family = {
  ...metadata,
  name: "word-grid",
  source: "made",
  usage: "[ask=next][,side=20]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("word-grid", options, text, "ask");
    const name = text === "" ? "word-grid" : `word-grid:${text}`;
    return { ...metadata, name, source: "made", items: (run) => itemsOf(read, run) };
  },
};

async function* itemsOf(options: GridOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  for (let n = 0; n < (run.limit ?? USUAL); n++) yield itemOf(n, options, run);
}

/** Items ask about each row in turn, so all rows occur equally often. */
function itemOf(n: number, { ask, side }: GridOptions, { seed, countTokens }: ItemsFor): GenerationItem {
  const random = seededRandom(seed * 1_000_003 + n);
  const words = shuffle([...WORDS], random);
  const rows = ROWS.slice(0, side).map((name, r) => ({ name, words: words.slice(r * side, (r + 1) * side) }));
  const grid = rows.map(({ name, words }) => `\n${name}: ${words.join(" ")}`).join("");
  const columns = side + MARKS;
  const before = "Words:";
  const first = countTokens(before) - countTokens("");
  if (countTokens(before + grid) - countTokens(before) !== side * columns)
    throw new UserError("word-grid: the model's tokenizer splits some of the words, expected one token each");
  const { question, answer } = questionOf(ask, rows, n % side, random);
  return {
    ...{ id: String(n), kind: "generation", stop: ["\n"], maxTokens: 1 },
    prompt: `${before}${grid}\n\n${question}`,
    visual: [{ first, grid: [side, columns] }],
    answers: [answer],
  };
}

interface Row {
  readonly name: string;
  readonly words: readonly string[];
}

interface Question {
  readonly question: string;
  readonly answer: string;
}

/** A question about the row `at`. */
function questionOf(ask: GridOptions["ask"], rows: readonly Row[], at: number, random: () => number): Question {
  const below = (count: number) => Math.floor(random() * count);
  if (ask === "next") return again(rows[at]!, SAID + below(rows.length - SAID));
  const one = (row: Row): Question => statement(ask, row, below(row.words.length));
  const examples = Array.from({ length: EXAMPLES }, () => one(rows[below(rows.length)]!));
  const { question, answer } = one(rows[at]!);
  return { question: [...examples.map((e) => `${e.question} ${e.answer}.\n`), question].join(""), answer };
}

/** Repeats a row up to a column, whose word is the answer. */
const again = ({ name, words }: Row, column: number): Question => ({
  question: `Row ${name}: ${words.slice(0, column).join(" ")}`,
  answer: words[column]!,
});

function statement(ask: "first" | "row", { name, words }: Row, column: number): Question {
  switch (ask) {
    case "first":
      return { question: `The first word of row ${name} is`, answer: words[0]! };
    case "row":
      return { question: `The word ${words[column]} is in row`, answer: name };
  }
}
