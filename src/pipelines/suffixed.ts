import { readNamed } from "../util/named-options.ts";

/** A name `MODEL+PIPELINE`, with options after a final `@`. */
export interface SuffixedName {
  readonly model: string;
  /** The options as written; empty if none. */
  readonly optionText: string;
  /** The options by name, as texts. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** Parses a name that ends in `+pipeline` or `+pipeline@key=value,…`; undefined for other names. @throws UserError */
export function readSuffixed(pipeline: string, name: string): SuffixedName | undefined {
  const [, model, optionText = ""] = suffix(pipeline).exec(name) ?? [];
  if (model === undefined) return undefined;
  const { values } = readNamed(optionText === "" ? pipeline : `${pipeline}:${optionText}`, () => undefined);
  return { model, optionText, values };
}

export const isSuffixed = (pipeline: string, name: string): boolean => suffix(pipeline).test(name);

const suffix = (pipeline: string): RegExp => new RegExp(`^(.+)\\+${pipeline}(?:@([^@>]*=[^@>]*))?$`, "s");
