import { z } from "zod";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { CORPUS, corpusOf } from "../data/corpus.ts";
import type { GenerationItem } from "../item.ts";
import {
  acceptedProxy,
  bleuOfTokens,
  editSimilarity,
  exactLine,
  layersPerToken,
  length,
  rougeLOfTokens,
  shownAcceptedProxy,
  stopped,
} from "../metrics/index.ts";
import type { ItemsFor, TaskOf, TokenCodec } from "../task.ts";
import { drawn } from "./draw.ts";
import { count, type Family, readOptions } from "./family.ts";

const options = z.strictObject({
  corpus: z.string("expected a corpus: next-tokens:code:typescript"),
  tokens: count(16, 1_000_000).prefault("256"),
});

type NextOptions = z.output<typeof options>;

/** Tokens that are asked for, and tokens before the first place, if the file has as many. */
const [ANSWER, LEAST] = [10, 50];

const about = {
  summary: "The next 10 tokens at a random place of each source file (SEC, arXiv 2401.09964), by likeness of token ids",
  kind: "generation",
  size: undefined,
  metrics: [
    rougeLOfTokens,
    bleuOfTokens,
    editSimilarity,
    exactLine,
    acceptedProxy,
    shownAcceptedProxy,
    length,
    layersPerToken,
    stopped,
  ],
} as const;

export const nextTokens: Family = {
  ...about,
  name: "next-tokens",
  source: CORPUS,
  usage: "FOLDER[,tokens=256]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("next-tokens", options, text, "corpus");
    return { ...about, name: `next-tokens:${text}`, source: read.corpus, items: (run) => itemsOf(read, run) };
  },
};

/** Files that are too short for a place are passed over. */
async function* itemsOf({ corpus, tokens }: NextOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const { tokenizer, seed, limit } = run;
  if (!tokenizer) throw new UserError("next-tokens: expected a decoder, whose tokens are asked for");
  let made = 0;
  for (const file of drawn(await corpusOf(corpus, run), { seed, limit: undefined })) {
    if (made === limit) return;
    const ids = tokenizer.encode((await textOf(file.path)).replaceAll("\r\n", "\n"));
    const at = placeIn(ids.length, seededRandom(seed * 1_000_003 + made));
    if (at === undefined) continue;
    made++;
    yield itemAt(file.name, ids.slice(Math.max(0, at - tokens), at + ANSWER), Math.min(at, tokens), tokenizer);
  }
  if (made === 0) throw new UserError(`${corpus}: there is no source file in it with more than ${ANSWER} tokens`);
}

/** A place drawn uniformly from [min(length − 10, 50), length − 1], of a file that has tokens before it. */
export function placeIn(length: number, random: () => number): number | undefined {
  const least = Math.min(length - ANSWER, LEAST);
  return least < 1 ? undefined : least + Math.floor(random() * (length - least));
}

function itemAt(id: string, ids: readonly number[], at: number, tokenizer: TokenCodec): GenerationItem {
  const [promptTokens, answerTokens] = [ids.slice(0, at), ids.slice(at)];
  const [prompt, answer] = [tokenizer.decode(promptTokens), tokenizer.decode(answerTokens)];
  return {
    ...{ kind: "generation", id, stop: [], maxTokens: ANSWER },
    ...{ prompt, promptTokens, answers: [answer], answerTokens },
  };
}
