import { z } from "zod";
import { MOST_LETTERS } from "../../engine/decode/listwise/letters.ts";
import { registeredAs } from "../../savings/registered.ts";
import { KeptFault, UserError } from "../../util/errors.ts";
import { checkedNamed } from "../../util/named-options.ts";
import { parseSpec } from "../../weights/sources/spec.ts";
import { isSuffixed, readSuffixed, type Suffixed } from "../suffixed.ts";

const whole = z.coerce.number().int();

const methods = ["single-token", "generate"] as const;

/** Options of a listwise reranker, given after its name. Windows and stride as in castorini/rank_llm. */
export const firstOptions = z
  .strictObject({
    windowSize: whole.min(2).max(MOST_LETTERS).default(20).describe("passages that are ranked in one prompt"),
    stride: whole.min(1).default(10).describe("passages that a window moves towards the front, from the one before it"),
    rankStart: whole.min(0).default(0).describe("passages in front that keep their places after the presort"),
    rankEnd: whole.min(1).default(20).describe("passages after this many keep their order after the presort"),
    numPasses: whole.min(1).max(10).default(1).describe("how often the windows run from back to front"),
    maxPassageWords: whole.min(1).default(300).describe("words that are read of each passage"),
    contextSize: whole.min(64).default(4096).describe("tokens that a prompt may have; passages are cut to fit"),
    method: z
      .enum(methods)
      .default("single-token")
      .describe("order by the logits of one position, or by letters that the model writes"),
    adapter: z
      .enum(["auto", "none"])
      .default("auto")
      .describe("auto: the adapter that comes with this model, if there is one; none: the model as it is"),
    presort: z
      .string()
      .min(1)
      .default("bm25")
      .describe(
        "what orders the documents first: bm25, an encoder such as minilm, or none for a list whose order means something",
      ),
  })
  .refine(({ stride, windowSize }) => stride <= windowSize, {
    path: ["stride"],
    error: "expected at most the windowSize, else passages between windows are not ranked",
  })
  .refine(({ rankStart, rankEnd }) => rankStart < rankEnd, {
    path: ["rankStart"],
    error: "expected less than the rankEnd",
  });
export type FirstOptions = z.output<typeof firstOptions>;
export type FirstInput = z.input<typeof firstOptions>;

/** The model that presorts, if one does. */
export const presortModel = ({ presort }: FirstOptions): string | undefined =>
  presort === "none" || presort === "bm25" ? undefined : presort;

/** @throws UserError if `presort` is neither a way to order nor the name of a model */
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

/** A reranker as a user names it: `MODEL+first`, with options after a final `@`. */
export interface FirstName extends Suffixed {
  /** Not checked against each other or a model's defaults. */
  readonly values: FirstInput;
  readonly options: FirstOptions;
}

export const isFirstName = (text: string): boolean => isSuffixed("first", text);

/**
 * Reads the name of a reranker; undefined if the text names something else.
 * @throws UserError that names the option
 */
export function parseFirst(text: string): FirstName | undefined {
  const found = readSuffixed("first", text);
  if (!found) return undefined;
  const { model, values } = found;
  if (model.includes(">")) throw new UserError(`"${text}": first ranks with one model, and ${model} is a pair`, 2);
  return { ...found, options: checkFirstOptions(values) };
}

/** A reranker with options beside its name, which take the place of those in it. @throws UserError that names the option */
export function withOptions(named: Pick<FirstName, "values">, more: FirstInput): Omit<FirstName, "model"> {
  const others = Object.entries(more).filter(([, value]) => value !== undefined);
  const values = { ...named.values, ...Object.fromEntries(others) };
  const pairs = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return { values, optionText: pairs.join(","), options: checkFirstOptions(values) };
}

/** @throws UserError that names the option */
export const checkFirstOptions = (values: unknown): FirstOptions => checkedNamed("first", firstOptions, values);
