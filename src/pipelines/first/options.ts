import { z } from "zod";
import { MOST_LETTERS } from "../../engine/decode/listwise/letters.ts";
import { registeredAs } from "../../savings/registered.ts";
import { KeptFault, UserError } from "../../util/errors.ts";
import { checkedNamed } from "../../util/named-options.ts";
import { parseSpec } from "../../weights/sources/spec.ts";
import { isSuffixed, readSuffixed, type SuffixedName } from "../suffixed.ts";

const whole = z.coerce.number().int();

const methods = ["single-token", "generate"] as const;

/** Options of a listwise reranker, written after its name. The windows and the stride are as in castorini/rank_llm. */
export const firstOptions = z
  .strictObject({
    windowSize: whole.min(2).max(MOST_LETTERS).default(20).describe("passages ranked in one prompt"),
    stride: whole.min(1).default(10).describe("passages by which each window moves towards the front"),
    rankStart: whole.min(0).default(0).describe("passages at the front that stay where the presort put them"),
    rankEnd: whole.min(1).default(20).describe("passages to rerank; later ones keep the presort's order"),
    numPasses: whole.min(1).max(10).default(1).describe("number of times the windows pass from back to front"),
    maxPassageWords: whole.min(1).default(300).describe("maximum words read of each passage"),
    contextSize: whole.min(64).default(4096).describe("maximum tokens of a prompt; passages are cut to fit"),
    method: z
      .enum(methods)
      .default("single-token")
      .describe("rank by the logits of one position, or by the letters that the model writes"),
    adapter: z
      .enum(["auto", "none"])
      .default("auto")
      .describe("auto: the adapter shipped for this model, if any; none: no adapter"),
    presort: z
      .string()
      .min(1)
      .default("bm25")
      .describe("the first ranking: bm25, an encoder such as minilm, or none to keep the list's order"),
  })
  .refine(({ stride, windowSize }) => stride <= windowSize, {
    path: ["stride"],
    error: "expected at most windowSize, else passages between windows are not ranked",
  })
  .refine(({ rankStart, rankEnd }) => rankStart < rankEnd, {
    path: ["rankStart"],
    error: "expected less than rankEnd",
  });
export type FirstOptions = z.output<typeof firstOptions>;
export type FirstInput = z.input<typeof firstOptions>;

/** The presorting model, if any. */
export const presortModel = ({ presort }: FirstOptions): string | undefined =>
  presort === "none" || presort === "bm25" ? undefined : presort;

/** @throws UserError if `presort` is neither a known order nor a model's name */
export async function checkPresort(options: FirstOptions): Promise<void> {
  const encoder = presortModel(options);
  if (encoder === undefined) return;
  try {
    parseSpec((await registeredAs(encoder))?.model ?? encoder);
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof KeptFault) throw error;
    throw new UserError(notPresort(encoder), 2);
  }
}

export const notPresort = (text: string): string =>
  `first: presort: expected bm25, none or an encoder such as minilm, got "${text}"`;

/** A reranker's name as users write it: `MODEL+first`, with options after a final `@`. */
export interface FirstName extends SuffixedName {
  /** The options, not yet checked against each other or combined with a model's defaults. */
  readonly values: FirstInput;
  readonly options: FirstOptions;
}

export const isFirstName = (text: string): boolean => isSuffixed("first", text);

/**
 * Parses a reranker's name; undefined for other names.
 * @throws UserError that names the option
 */
export function parseFirst(text: string): FirstName | undefined {
  const suffixed = readSuffixed("first", text);
  if (!suffixed) return undefined;
  const { model, values } = suffixed;
  if (model.includes(">")) throw new UserError(`"${text}": "first" ranks with one model, but ${model} is a pair`, 2);
  return { ...suffixed, options: checkFirstOptions(values) };
}

/** A reranker with options that override those in its name. @throws UserError that names the option */
export function withOptions(named: Pick<FirstName, "values">, more: FirstInput): Omit<FirstName, "model"> {
  const others = Object.entries(more).filter(([, value]) => value !== undefined);
  const values = { ...named.values, ...Object.fromEntries(others) };
  const pairs = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return { values, optionText: pairs.join(","), options: checkFirstOptions(values) };
}

/** @throws UserError that names the option */
export const checkFirstOptions = (values: unknown): FirstOptions => checkedNamed("first", firstOptions, values);
