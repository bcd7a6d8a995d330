import { seededRandom, shuffle } from "../../src/util/random.ts";
import { everyItem, type ItemOf, itemsOf } from "../common/tasks.ts";
import { HELD_OUT } from "../first/cranfield-queries.ts";
import { excerptsOf, squadQuestions } from "../first/squad.ts";

export const collectionNames = ["cranfield", "boolq", "squad"] as const;
export type CollectionName = (typeof collectionNames)[number];

/** Questions of BoolQ and of SQuAD. */
const QUESTIONS = 100;
/** Words of a passage of BoolQ. */
const WORDS = 24;

type Documents = ItemOf<"ranking">["documents"];

/** A query, and what is relevant to it among its documents. */
export interface Query {
  readonly id: string;
  readonly text: string;
  readonly relevance: ItemOf<"ranking">["relevance"];
  /** The abstract that the query was taken from: never a candidate. */
  readonly sources: ReadonlySet<string>;
}

export interface Collection {
  readonly name: CollectionName;
  readonly documents: Documents;
  readonly queries: readonly Query[];
}

/** `folder` has Cranfield's files. */
export const collectionOf = (name: CollectionName, folder: string): Promise<Collection> => {
  switch (name) {
    case "cranfield":
      return cranfield(folder);
    case "boolq":
      return boolq();
    case "squad":
      return squad();
  }
};

/** Whole abstracts, and the queries that are held out from the training of `first`. */
async function cranfield(folder: string): Promise<Collection> {
  const run = { ...everyItem, limit: HELD_OUT };
  let documents: Documents = [];
  for await (const item of itemsOf("ranking", `cranfield:${folder}`, { ...run, limit: 1 })) documents = item.documents;
  const queries: Query[] = [];
  for await (const item of itemsOf("ranking", `cranfield:${folder},source=drop`, run)) {
    const candidates = new Set(item.documents.map(({ id }) => id));
    const sources = documents.map(({ id }) => id).filter((id) => !candidates.has(id));
    queries.push({ id: item.id, text: item.query, relevance: item.relevance, sources: new Set(sources) });
  }
  return { name: "cranfield", documents, queries };
}

/** The beginnings of all passages; that of a question's own passage is relevant. */
async function boolq(): Promise<Collection> {
  const pairs: [question: string, passage: string][] = [];
  for await (const { choices } of itemsOf("choice", "boolq")) {
    const [, passage, question] = /^(.*)\nQuestion: (.*)\?\nAnswer:$/s.exec(choices[0]!.context)!;
    pairs.push([question!, excerptsOf(passage!, WORDS)[0]!]);
  }
  return passages("boolq", pairs);
}

/** Whole passages; a question's own is relevant. */
async function squad(): Promise<Collection> {
  return passages(
    "squad",
    (await squadQuestions()).map(({ question, passage }) => [question, passage]),
  );
}

function passages(name: CollectionName, pairs: readonly (readonly [question: string, passage: string])[]): Collection {
  const texts = [...new Set(pairs.map(([, passage]) => passage))];
  const ids = new Map(texts.map((text, i) => [text, String(i)]));
  const drawn = shuffle([...pairs.keys()], seededRandom(0)).slice(0, QUESTIONS);
  return {
    name,
    documents: texts.map((text) => ({ id: ids.get(text)!, text })),
    queries: drawn.map((i) => {
      const [text, passage] = pairs[i]!;
      return { id: String(i), text, relevance: { [ids.get(passage)!]: 1 }, sources: new Set() };
    }),
  };
}
