import { z } from "zod";
import { bytesAsText } from "./alphabet.ts";
import { component, kind } from "./component.ts";
import { type Behaviour, behaviourSchema, compile, cut, patternSchema, SPACE } from "./pattern.ts";

/** Cuts a word into smaller ones. `first` is true if the word begins the entire text. */
export type PreTokenizer = (word: string, first: boolean) => string[];

const GPT2 = compile({ Regex: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` });
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const SPACES = new RegExp(SPACE, "gu");

const cutAt = (pattern: RegExp, behaviour: Behaviour, invert = false) =>
  kind(z.unknown(), (): PreTokenizer => (word) => cut(word, pattern, behaviour, invert));

const kinds = {
  ByteLevel: kind(
    z.object({ add_prefix_space: z.boolean().default(true), use_regex: z.boolean().default(true) }),
    ({ add_prefix_space, use_regex }): PreTokenizer =>
      (word) => {
        const spaced = add_prefix_space && !word.startsWith(" ") ? ` ${word}` : word;
        return (use_regex ? cut(spaced, GPT2, "Isolated") : [spaced]).map(bytesAsText);
      },
  ),
  Metaspace: kind(
    z.object({
      replacement: z.string().default("▁"),
      prepend_scheme: z.enum(["first", "never", "always"]).default("always"),
      add_prefix_space: z.boolean().optional(),
      split: z.boolean().default(true),
    }),
    ({ replacement, prepend_scheme, add_prefix_space, split }): PreTokenizer => {
      const scheme = add_prefix_space === false ? "never" : prepend_scheme;
      const pattern = compile({ String: replacement });
      return (word, first) => {
        const spaced = word.replaceAll(" ", replacement);
        const prepends = !spaced.startsWith(replacement) && (scheme === "always" || (scheme === "first" && first));
        const whole = prepends ? replacement + spaced : spaced;
        return split ? cut(whole, pattern, "MergedWithNext") : [whole];
      };
    },
  ),
  Split: kind(
    z.object({ pattern: patternSchema, behavior: behaviourSchema, invert: z.boolean().default(false) }),
    ({ pattern, behavior, invert }): PreTokenizer => {
      const regex = compile(pattern);
      return (word) => cut(word, regex, behavior, invert);
    },
  ),
  Digits: kind(z.object({ individual_digits: z.boolean().default(false) }), ({ individual_digits }): PreTokenizer => {
    const behaviour = individual_digits ? "Isolated" : "Contiguous";
    return (word) => cut(word, /\p{N}/gu, behaviour);
  }),
  Punctuation: kind(z.object({ behavior: behaviourSchema.default("Isolated") }), ({ behavior }): PreTokenizer => {
    return (word) => cut(word, PUNCTUATION, behavior);
  }),
  Whitespace: cutAt(compile({ Regex: String.raw`\w+|[^\w\s]+` }), "Removed", true),
  WhitespaceSplit: cutAt(SPACES, "Removed"),
  BertPreTokenizer: kind(
    z.unknown(),
    (): PreTokenizer => (word) => cut(word, SPACES, "Removed").flatMap((part) => cut(part, PUNCTUATION, "Isolated")),
  ),
  Sequence: kind(z.object({ pretokenizers: z.array(z.unknown()) }), ({ pretokenizers }): PreTokenizer => {
    const steps = pretokenizers.map(preTokenizer);
    return (word, first) =>
      steps.reduce((words, step) => words.flatMap((part, i) => step(part, first && i === 0)), [word]);
  }),
};

/** @throws UserError for an unsupported pre-tokenizer */
export const preTokenizer = (specification: unknown): PreTokenizer =>
  component<PreTokenizer>("pre-tokenizer", kinds, specification);
