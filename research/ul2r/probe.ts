import { seededRandom } from "../../src/util/random.ts";
import type { Tokenizer } from "../../src/weights/tokenizer/index.ts";
import { type CopyLanguage, randomWord } from "./copy-language.ts";

/** The first letter of a blank, which only the text after it determines. */
export interface ProbeItem {
  /** Up to the sentinel that asks for the letter. */
  readonly ids: readonly number[];
  readonly letter: number;
}

/** Letters of an item's words, about; one of its records has the blank in its first word. */
const LETTERS = 16;

/** Right-context items: `[NLU] … w<extra_id_0>w=www; … <extra_id_0>`, the letter is in the second word alone. */
export function probeItems(probed: ProbedLanguage, count: number, tokenizer: Tokenizer, seed: number): ProbeItem[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => probeItem(probed, tokenizer, random));
}

export interface ProbedLanguage extends CopyLanguage {
  /** Letters of a blank. */
  readonly blank: number;
}

function probeItem(language: ProbedLanguage, tokenizer: Tokenizer, random: () => number): ProbeItem {
  const count = language.apart ? 1 : Math.floor(LETTERS / language.longest);
  const words = Array.from({ length: count }, () => randomWord(language, random));
  const records = words.map((word) => `${word}=${word};`);
  const hidden = Math.floor(random() * words.length);
  const place = Math.floor(random() * (words[hidden]!.length - language.blank + 1));
  const before = records.slice(0, hidden).join("") + words[hidden]!.slice(0, place);
  const after = records[hidden]!.slice(place + language.blank) + records.slice(hidden + 1).join("");
  const blank = tokenizer.specialId("<extra_id_0>")!;
  // A text by itself ends with the token that ends texts.
  const end = language.apart && tokenizer.eos !== undefined ? [tokenizer.eos] : [];
  const text = [...tokenizer.encode(before), blank, ...tokenizer.encode(after), ...end];
  const ids = [tokenizer.specialId("[NLU]")!, ...text, blank];
  return { ids, letter: tokenizer.encode(words[hidden]![place]!)[0]! };
}
