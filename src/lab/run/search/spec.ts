import { z } from "zod";
import { parseStep, type Recipe } from "../../../savings/recipe.ts";
import { UserError } from "../../../util/errors.ts";

/** Settings of one saving that a search tries: a range of one numeric option, or every combination of listed values. */
export type SearchSpec =
  | {
      readonly kind: "range";
      readonly text: string;
      readonly low: number;
      readonly high: number;
      /** True if the option takes whole numbers only. */
      readonly whole: boolean;
      at(value: number): Recipe;
    }
  | { readonly kind: "grid"; readonly text: string; readonly recipes: readonly Recipe[] };

/** Reads `xattention:threshold=0.5..1,stride=16` or `xattention:threshold=0.5|0.9,stride=8|16`. @throws UserError */
export function parseSearch(text: string): SearchSpec {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const options =
    colon < 0
      ? []
      : text
          .slice(colon + 1)
          .split(",")
          .map(keyValues);
  const ranges = options.filter(({ range }) => range);
  if (ranges.length > 0 && options.some(({ values }) => values.length > 1))
    throw new UserError(`--search ${text}: expected one range (low..high) or lists (a|b), not both`, 2);
  const grid = combinations(options.map(({ key, values }) => values.map((value) => `${key}=${value}`)));
  if (ranges.length === 1) return rangeOf(text, name, options, ranges[0]!);
  if (ranges.length > 1 || grid.length < 2)
    throw new UserError(`--search ${text}: expected one option as low..high, or options as lists a|b`, 2);
  return { kind: "grid", text, recipes: grid.map((pairs) => [parseStep(`${name}:${pairs.join()}`)]) };
}

interface Option {
  readonly key: string;
  readonly values: readonly string[];
  readonly range: readonly [number, number] | undefined;
}

function keyValues(pair: string): Option {
  const equals = pair.indexOf("=");
  const [key, value] = equals < 1 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
  const ends = value.split("..").map((end) => (end.trim() === "" ? Number.NaN : Number(end)));
  const isRange = ends.length === 2 && ends.every(Number.isFinite);
  return { key, values: value.split("|"), range: isRange ? [ends[0]!, ends[1]!] : undefined };
}

function rangeOf(text: string, name: string, options: readonly Option[], { key, range }: Option): SearchSpec {
  const [low, high] = range!;
  if (low >= high) throw new UserError(`--search ${text}: expected ${key} from low to high, got ${low}..${high}`, 2);
  const at = (value: number): Recipe => {
    const pairs = options.map((o) => `${o.key}=${o.key === key ? value : o.values[0]}`);
    return [parseStep(`${name}:${pairs.join()}`)];
  };
  const [step] = at(high);
  // The saving must accept both ends of the range.
  at(low);
  const schema = z.toJSONSchema(step!.saving.options, { io: "input" }) as {
    properties?: Record<string, { type?: string }>;
  };
  return { kind: "range", text, low, high, whole: schema.properties?.[key]?.type === "integer", at };
}

/** Every combination of one value from each list. */
const combinations = (lists: readonly (readonly string[])[]): string[][] =>
  lists.reduce<string[][]>((rows, list) => rows.flatMap((some) => list.map((one) => [...some, one])), [[]]);
