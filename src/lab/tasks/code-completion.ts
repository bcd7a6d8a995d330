import { z } from "zod";
import type { Split } from "../../engine/decode/completion/place.ts";
import { windowOf } from "../../engine/decode/completion/window.ts";
import { CORPUS } from "../data/corpus.ts";
import type { GenerationItem } from "../item.ts";
import {
  acceptedProxy,
  editSimilarity,
  exactLine,
  layersPerToken,
  length,
  shownAcceptedProxy,
  stopped,
} from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";
import { itemsAtPlaces } from "./places.ts";

const options = z.strictObject({
  corpus: z.string("expected a folder or a package: code-completion:FOLDER"),
  tokens: count(16, 1_000_000).prefault("512"),
  suffix: count(0, 1_000_000).prefault("0"),
});

type CompletionOptions = z.output<typeof options>;

const metadata = {
  summary:
    "Completes a line in each source file, scored by similarity; with suffix=N, fill-in models also read N tokens after it",
  kind: "generation",
  size: undefined,
  metrics: [editSimilarity, exactLine, acceptedProxy, shownAcceptedProxy, length, layersPerToken, stopped],
} as const;

export const codeCompletion: Family = {
  ...metadata,
  name: "code-completion",
  source: CORPUS,
  usage: "FOLDER[,tokens=512][,suffix=0]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("code-completion", options, text, "corpus");
    return { ...metadata, name: `code-completion:${text}`, source: read.corpus, items: (run) => itemsOf(read, run) };
  },
};

/** Files without a suitable line are skipped. */
const itemsOf = ({ corpus, tokens, suffix }: CompletionOptions, run: ItemsFor): AsyncGenerator<GenerationItem> =>
  itemsAtPlaces(corpus, "with a suitable line", run, (text, random) => {
    const place = placeIn(text, random);
    if (place === undefined) return undefined;
    const { before, after } = windowOf(place, { before: tokens, after: suffix }, run.countTokens);
    return {
      ...{ prompt: before, stop: ["\n"], maxTokens: 64, answers: [place.line] },
      ...(suffix > 0 && { suffix: after }),
      ...(run.tokenizer && { answerTokens: run.tokenizer.encode(place.line) }),
    };
  });

/** A non-blank line, neither long nor at the file's beginning, and the text before and after it. */
function placeIn(text: string, random: () => number): (Split & { line: string }) | undefined {
  const lines = text.split("\n");
  const fit = [...lines.keys()].filter((i) => i >= 4 && /\w.*\w.*\w/.test(lines[i]!) && lines[i]!.length <= 160);
  const at = fit[Math.floor(random() * fit.length)];
  if (at === undefined) return undefined;
  const after = `\n${lines.slice(at + 1).join("\n")}`;
  return { before: `${lines.slice(0, at).join("\n")}\n`, line: lines[at]!, after };
}
