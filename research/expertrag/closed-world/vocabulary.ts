import { writeVocabulary } from "../../common/word-vocabulary.ts";
import { architecture } from "./arms.ts";
import { attributes, begun, familyNames, firstNames, openings } from "./words.ts";
import { reflectionPrompt } from "./world.ts";

/** Every word of the world, in the order of the lists. */
function words(): string[] {
  const sentences = attributes.map((one) => begun("", one));
  const used = [reflectionPrompt(""), ...openings, ...sentences].join(" ").match(/[a-z]+/g)!;
  return [
    ...new Set([...used, ...firstNames, ...familyNames, ...attributes.flatMap((one) => one.values), "yes", "no"]),
  ];
}

/** Writes a folder that `train` takes as `tokenizer`. */
export const writeWords = (folder: string): Promise<void> =>
  writeVocabulary(folder, { words: words().map((word) => `Ġ${word}`), architecture });
