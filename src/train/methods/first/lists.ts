import { MOST_LETTERS } from "../../../engine/decode/listwise/letters.ts";
import { answerOf, Prompts } from "../../../engine/decode/listwise/prompt.ts";
import { oneLine } from "../../../engine/decode/listwise/text.ts";
import { UserError } from "../../../util/errors.ts";
import { fnv1a } from "../../../util/hash.ts";
import { seededRandom, shuffle } from "../../../util/random.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { ListRecord, RankedRecord } from "../../data/records.ts";
import type { ListReader, Sample } from "../../data/samples.ts";

/** A list's passages, their order (the best first), and their ranks. */
interface RankedList {
  readonly query: string;
  readonly documents: readonly string[];
  readonly order: readonly number[];
  readonly ranks: Int32Array;
}

/**
 * Reads lists as a reranker's prompts, each followed by a ranking in letters as labels. The reader throws a UserError
 * if the tokenizer lacks a single token for a letter.
 */
export function listReader(tokenizer: Tokenizer, words: number): ListReader {
  const prompts = new Prompts(tokenizer);
  const known = new Map<number, Int32Array>();
  const lettersOf = (count: number) => {
    const letters = known.get(count) ?? Int32Array.from(prompts.letterIds(count));
    known.set(count, letters);
    return letters;
  };
  return (record) => {
    const { query, documents, order, ranks } = judged(record);
    const passages = documents.map((text) => oneLine(text, words));
    const line = oneLine(query);
    const [from, answered] = [prompts.ids(line, passages).length, prompts.ids(line, passages, answerOf(order))];
    const ids = [...answered, ...(tokenizer.eos === undefined ? [] : [tokenizer.eos])];
    return sampleOf(ids, from, lettersOf(documents.length), ranks);
  };
}

/** Tokens from `from` on are labels; the token before them ends the prompt. */
function sampleOf(ids: readonly number[], from: number, letters: Int32Array, ranks: Int32Array): Sample {
  const labels = Int32Array.from({ length: ids.length - 1 }, (_, i) => (i + 1 >= from ? ids[i + 1]! : -1));
  return {
    ...{ ids: Int32Array.from(ids.slice(0, -1)), labels },
    list: { at: from - 1, letters, ranks, labels: ids.length - from },
  };
}

function judged(record: RankedRecord | ListRecord): RankedList {
  const { query, documents, order, ranks } = "ranking" in record ? ofTeacher(record) : ofPositive(record);
  if (documents.length <= MOST_LETTERS) return { query, documents, order, ranks };
  throw new UserError(`the list has ${documents.length} documents, expected at most ${MOST_LETTERS}`);
}

function ofTeacher({ query, documents, ranking }: ListRecord): RankedList {
  const ranks = new Int32Array(documents.length);
  for (const [i, document] of ranking.entries()) ranks[document] = i + 1;
  return { query, documents, order: ranking, ranks };
}

/**
 * Puts the positive at a random place in its list; if it always came first, the model would learn the letter A. All
 * negatives have the same rank.
 */
function ofPositive({ query, positive, negatives }: RankedRecord): RankedList {
  if (negatives.length === 0) throw new UserError('"negatives": expected at least one document to rank');
  const random = seededRandom(fnv1a(Buffer.from(query)));
  const documents = [positive, ...shuffle([...negatives], random)];
  const place = Math.floor(documents.length * random());
  [documents[0], documents[place]] = [documents[place]!, documents[0]!];
  const ranks = Int32Array.from(documents, (_, i) => (i === place ? 1 : 2));
  const others = [...documents.keys()].filter((i) => i !== place);
  return { query, documents, order: [place, ...others], ranks };
}
