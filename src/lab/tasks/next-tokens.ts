import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { CORPUS } from "../data/corpus.ts";
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
import { count, type Family, readOptions } from "./family.ts";
import { type AtPlace, itemsAtPlaces } from "./places.ts";

const options = z.strictObject({
  corpus: z.string("expected a corpus: next-tokens:code:typescript"),
  tokens: count(16, 1_000_000).prefault("256"),
});

type NextOptions = z.output<typeof options>;

/** The number of tokens to predict, and the minimum number before them in files that are long enough. */
const [ANSWER, LEAST] = [10, 50];

const metadata = {
  summary:
    "The next 10 tokens at a random place in each source file (SEC, arXiv 2401.09964), by similarity of token ids",
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
  ...metadata,
  name: "next-tokens",
  source: CORPUS,
  usage: "FOLDER[,tokens=256]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("next-tokens", options, text, "corpus");
    return { ...metadata, name: `next-tokens:${text}`, source: read.corpus, items: (run) => itemsOf(read, run) };
  },
};

/** Files that are too short are skipped. */
function itemsOf({ corpus, tokens }: NextOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const { tokenizer } = run;
  if (!tokenizer) throw new UserError("next-tokens: expected a decoder, whose tokens are predicted");
  return itemsAtPlaces(corpus, `with more than ${ANSWER} tokens`, run, (text, random) => {
    const ids = tokenizer.encode(text);
    const at = placeIn(ids.length, random);
    if (at === undefined) return undefined;
    return itemAt(ids.slice(Math.max(0, at - tokens), at + ANSWER), Math.min(at, tokens), tokenizer);
  });
}

/** A place drawn uniformly from [min(length − 10, 50), length − 1], in a file with tokens before it. */
export function placeIn(length: number, random: () => number): number | undefined {
  const least = Math.min(length - ANSWER, LEAST);
  return least < 1 ? undefined : least + Math.floor(random() * (length - least));
}

/** An item of tokens; the first `at` are the prompt. */
function itemAt(ids: readonly number[], at: number, tokenizer: TokenCodec): ReturnType<AtPlace> {
  const [promptTokens, answerTokens] = [ids.slice(0, at), ids.slice(at)];
  const [prompt, answer] = [tokenizer.decode(promptTokens), tokenizer.decode(answerTokens)];
  return { prompt, promptTokens, answers: [answer], answerTokens, stop: [], maxTokens: ANSWER };
}
