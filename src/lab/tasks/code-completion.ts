import { z } from "zod";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { corpusOf } from "../data/corpus.ts";
import type { GenerationItem } from "../item.ts";
import { editSimilarity } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";
import { count, type Family, readOptions } from "./family.ts";

const options = z.strictObject({
  corpus: z.string("expected a folder or a package: code-completion:FOLDER"),
  tokens: count(16, 1_000_000).prefault("512"),
});

type CompletionOptions = z.output<typeof options>;

const about = {
  summary: "The next line at a place in each source file of one's own, by likeness",
  kind: "generation",
  size: undefined,
  metrics: [editSimilarity],
} as const;

export const codeCompletion: Family = {
  ...about,
  name: "code-completion",
  source: "a folder, or a package: pypi:NAME, npm:NAME",
  usage: "FOLDER[,tokens=512]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("code-completion", options, text, "corpus");
    return { ...about, name: `code-completion:${text}`, source: read.corpus, items: (run) => itemsOf(read, run) };
  },
};

/** Files that hold no line to ask for are passed over. */
async function* itemsOf({ corpus, tokens }: CompletionOptions, run: ItemsFor): AsyncGenerator<GenerationItem> {
  const files = drawn(await corpusOf(corpus, run), { seed: run.seed, limit: undefined });
  let made = 0;
  for (const file of files) {
    if (made === run.limit) return;
    const place = placeIn(await textOf(file.path), seededRandom(run.seed * 1_000_003 + made));
    if (place === undefined) continue;
    made++;
    const prompt = tail(place.before, tokens, run.countTokens);
    yield { kind: "generation", id: file.name, prompt, stop: ["\n"], maxTokens: 64, answers: [place.line] };
  }
  if (made === 0) throw new UserError(`${corpus}: there is no source file in it with a line to ask for`);
}

/** A line with content, neither long nor at the file's beginning, and the text before it. */
function placeIn(text: string, random: () => number): { before: string; line: string } | undefined {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const fit = [...lines.keys()].filter((i) => i >= 4 && /\w.*\w.*\w/.test(lines[i]!) && lines[i]!.length <= 160);
  const at = fit[Math.floor(random() * fit.length)];
  return at === undefined ? undefined : { before: `${lines.slice(0, at).join("\n")}\n`, line: lines[at]! };
}

/** The last whole lines that fit into the tokens, at least one. */
function tail(before: string, tokens: number, countTokens: (text: string) => number): string {
  const lines = before.split(/(?<=\n)/);
  let [least, most] = [1, lines.length];
  while (least < most) {
    const middle = (least + most + 1) >> 1;
    if (countTokens(lines.slice(-middle).join("")) <= tokens) least = middle;
    else most = middle - 1;
  }
  return lines.slice(-least).join("");
}
