import { z } from "zod";
import { makeScenes, questionKinds, textOf } from "../data/attributes/scene.ts";
import { IMAGE } from "../data/attributes/words.ts";
import type { GenerationItem } from "../item.ts";
import { exactMatch } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { count, type Family, readOptions } from "./family.ts";

const options = z.strictObject({
  ask: z.enum(questionKinds, `expected one of ${questionKinds.join(", ")}`).prefault("where"),
  side: count(4, 12).prefault("12"),
});

type AttributesOptions = z.output<typeof options>;

/** The default number of pictures. */
const USUAL = 500;

const metadata = {
  summary: "Questions (where, ground, any or read) about a grid of shapes, in which each cell is a visual token",
  kind: "generation",
  size: undefined,
  metrics: [exactMatch],
} as const;

export const attributes: Family = {
  ...metadata,
  name: "attributes",
  source: "made",
  usage: "[ask=where][,side=12]",
  make(text): TaskOf<"generation"> {
    const read = readOptions("attributes", options, text, "ask");
    return { ...metadata, name: `attributes:${text}`, source: "made", items: (run) => itemsOf(read, run) };
  },
};

/** Questions of the kind `any` ask about each shape in turn; for other kinds, each picture's first question is used. */
async function* itemsOf({ ask, side }: AttributesOptions, { seed, limit }: ItemsFor): AsyncGenerator<GenerationItem> {
  const scenes = makeScenes(side, limit ?? USUAL, seed);
  for (const [i, { cells, questions }] of scenes.entries()) {
    const matching = questions.filter(({ kind }) => kind === ask);
    const { words, answer } = matching[ask === "any" ? i % matching.length : 0]!;
    yield {
      ...{ id: String(i), kind: "generation", stop: [], maxTokens: answer.length },
      prompt: textOf([IMAGE, ...cells, ...words]),
      visual: [{ first: 1, grid: [side, side + 1] }],
      answers: [textOf(answer).trim()],
    };
  }
}
