import type { Model } from "../src/index.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";

const TOKENS = 160;

const SOURCE = `export interface Item {
  readonly name: string;
  readonly price: number;
  readonly count: number;
}

/** The price of all items. */
export function total(items: readonly Item[]): number {
  let sum = 0;
  for (const item of items) sum += item.price * item.count;
  return sum;
}

/** The item with the highest price. */
export function dearest(items: readonly Item[]): Item | undefined {
  let found: Item | undefined;
  for (const item of items) if (found === undefined || item.price > found.price) found = item;
  return found;
}
`;
const PASSAGE =
  "The lighthouse on the northern cape was built in 1871, after three ships had been lost in a single winter. Its lamp " +
  "burned whale oil at first, then paraffin, and from 1926 on it was lit by electricity. The last keeper left in 1984, " +
  "and since then the light has been watched from the harbour office, some forty kilometres away.";

/** Prompts whose answers repeat them. */
export const EDITS: readonly string[] = [
  `Rename the parameter \`items\` to \`goods\` in this file and write the whole file:\n\n\`\`\`ts\n${SOURCE}\`\`\``,
  `Repeat this text word by word:\n\n${PASSAGE}`,
];

const PROMPTS = {
  editing: EDITS,
  prose: ["Write a short story about a fox and a river.", "Explain how a bicycle stays upright."],
} as const;

/** The milliseconds per token spent on decoding answers. */
async function decodeTime(model: Model, prompts: readonly string[], save: readonly string[]): Promise<number> {
  let [milliseconds, tokens] = [0, 0];
  for (const prompt of prompts) {
    const { receipt } = await model.complete(prompt, { maxTokens: TOKENS, temperature: 0, save });
    milliseconds += receipt.ms.decode;
    tokens += receipt.tokens.completion;
  }
  return milliseconds / tokens;
}

/** Compares answers with drafts quoted from the text with dense answers, in one loaded model. */
const lookupOn = (name: string, kind: keyof typeof PROMPTS): Bench => ({
  name,
  unit: "ms/token",
  moreIsBetter: false,
  lifetime: "kept",
  sides: ({ model: name }) => {
    const model = new OwnModel(name);
    return {
      ours: ownSide("lookup", model, (loaded) => decodeTime(loaded, PROMPTS[kind], ["lookup"])),
      theirs: ownSide("modicum dense", model, (loaded) => decodeTime(loaded, PROMPTS[kind], [])),
    };
  },
});

export const lookup = lookupOn("lookup", "editing");
export const lookupProse = lookupOn("lookup-prose", "prose");
