import { few, UserError } from "../../util/errors.ts";

/** Labels alone, or label words for each label: one text or several. The closest label word decides the score. */
export type LabelsInput = readonly string[] | Readonly<Record<string, string | readonly string[]>>;

export interface LabelSet {
  readonly names: readonly string[];
  /** The words of each label, at least one. */
  readonly words: readonly (readonly string[])[];
}

/** @throws UserError for fewer than two labels, an empty or repeated label, or a label without words */
export function parseLabels(labels: LabelsInput): LabelSet {
  const entries = Array.isArray(labels)
    ? (labels as readonly string[]).map((label) => [label, label] as const)
    : Object.entries(labels as Exclude<LabelsInput, readonly string[]>);
  const names = entries.map(([name], i) => named(name, i));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`the label ${few([twice])} occurs twice; expected distinct labels`, 2);
  if (names.length < 2) throw new UserError(`expected two labels or more, got ${names.length}`, 2);
  return { names, words: entries.map(([name, words]) => wordsOf(name, words)) };
}

function named(name: string, i: number): string {
  const label = name.trim();
  if (label === "") throw new UserError(`label ${i + 1} is empty, expected a text`, 2);
  return label;
}

function wordsOf(name: string, words: string | readonly string[]): string[] {
  const all = (typeof words === "string" ? [words] : words).map((each) => each.trim());
  if (all.length > 0 && all.every((each) => each !== "")) return all;
  throw new UserError(`the label ${few([name])} has an empty label word; expected one or more texts`, 2);
}

/** Labels on a command line: `sport`, or with label words `world=politics|government`. */
export function labelsOfFlags(flags: readonly string[]): LabelsInput {
  const names = flags.map((flag) => flag.split("=", 1)[0]!);
  // An object would silently drop the first of two equal labels.
  return new Set(names).size < names.length ? names : labelWordsOfFlags(flags);
}

/** Label words by label, from texts such as `world=politics|government`; a text without = is its own label word. */
export function labelWordsOfFlags(flags: readonly string[]): Record<string, string[]> {
  const pairs = flags.map((flag): [string, string[]] => {
    const [name, words = name] = flag.split(/=(.*)/s) as [string, string?];
    return [name, words.split("|")];
  });
  return Object.fromEntries(pairs);
}
