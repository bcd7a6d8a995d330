import { seededRandom, shuffle } from "../../src/util/random.ts";
import { type ItemOf, itemsOf } from "../common/tasks.ts";
import { searcher } from "./searcher.ts";
import { excerptsOf } from "./squad.ts";

/** Words of an excerpt. */
const WORDS = 24;

/**
 * BoolQ's questions, and the excerpts that BM25 finds first among the beginnings of all passages; that of a question's own
 * passage is relevant. No training here has read BoolQ. A question whose excerpt BM25 does not find is left out.
 */
export async function boolqItems(count: number, top: number): Promise<ItemOf<"ranking">[]> {
  const pairs: { readonly text: string; readonly question: string }[] = [];
  for await (const { choices } of itemsOf("choice", "boolq")) {
    const [, passage, question] = /^(.*)\nQuestion: (.*)\?\nAnswer:$/s.exec(choices[0]!.context)!;
    pairs.push({ text: excerptsOf(passage!, WORDS)[0]!, question: question! });
  }
  const texts = [...new Set(pairs.map(({ text }) => text))];
  const ids = new Map(texts.map((text, i) => [text, String(i)]));
  const search = searcher(texts);
  const items = shuffle([...pairs.keys()], seededRandom(0)).flatMap((i): ItemOf<"ranking">[] => {
    const { text, question } = pairs[i]!;
    const found = search(question, top);
    if (!found.includes(text)) return [];
    const documents = found.map((one) => ({ id: ids.get(one)!, text: one }));
    return [{ kind: "ranking", id: String(i), query: question, documents, relevance: { [ids.get(text)!]: 1 } }];
  });
  return items.slice(0, count);
}
