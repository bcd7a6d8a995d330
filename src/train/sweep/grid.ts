import { z } from "zod";
import { checked, jsonOf, shown } from "../../util/checked.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { completeOptions } from "../methods/complete.ts";
import { type TrainInput, type TrainOptions, trainOptions } from "../options.ts";
import { type ScreenOptions, screenOptions } from "./screen-options.ts";

const LIST = "expected a list of values";
const GRID = "expected options with lists of values";

const sweepOptions = z.looseObject(
  {
    grid: z
      .record(z.string(), z.array(z.unknown(), LIST).min(1, LIST), GRID)
      .refine((grid) => Object.keys(grid).length > 0, GRID),
    screen: screenOptions.default(screenOptions.parse("off")),
  },
  "expected an object with a sweep's options",
);

/** A run's options, and values to try for some of them, keyed by path, such as `optimizer.lr`. */
export type SweepInput = Partial<TrainInput> & {
  readonly grid: Readonly<Record<string, readonly unknown[]>>;
  /** A mode, or a mode with its options; if absent, no run is stopped early. */
  readonly screen?: ScreenOptions["mode"] | Partial<ScreenOptions>;
};

/** One run of a sweep. */
export interface Setting {
  /** The run's name, made from its values, such as `lr=0.001,rank=4`; unique, and valid on every file system. */
  readonly name: string;
  readonly options: TrainOptions;
}

type Choice = readonly [path: string, value: unknown];

export interface Settings {
  /** Every combination of the grid's values; the last option's values change fastest. */
  readonly settings: readonly Setting[];
  readonly screen: ScreenOptions;
}

/** Options that determine what a run reads and in which order; losses are comparable only if these are equal. */
const READING =
  /^(data|validation|labels|model|architecture(\..+)?|tokenizer|tokens|packing|seed|start|method(\..+)?)$/;

/** @throws UserError for the first fault */
export function readSweep(sweep: unknown): Settings {
  const { grid, screen, ...rest } = checked(sweepOptions, sweep);
  for (const [path, values] of Object.entries(grid)) checkAxis(path, values);
  const reading = Object.keys(grid).find((path) => READING.test(path));
  if (screen.mode !== "off" && reading !== undefined)
    throw new UserError(`screen: only runs with the same ${reading} can be compared; remove ${reading} from the grid`);
  return { settings: settingsOf(grid, rest), screen };
}

function settingsOf(grid: Readonly<Record<string, readonly unknown[]>>, rest: unknown): Setting[] {
  const combinations = Object.entries(grid).reduce<Choice[][]>(
    (all, [path, values]) => all.flatMap((some) => values.map((value) => [...some, [path, value] as const])),
    [[]],
  );
  const names = unlike(combinations.map((choices) => nameOf(choices, Object.keys(grid))));
  return combinations.map((choices, i) => ({ name: names[i]!, options: optionsWith(rest, choices, names[i]!) }));
}

interface Property {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Property>>;
  readonly anyOf?: readonly Property[];
}

/** Option paths; a path to an object with arbitrary fields ends with a dot. */
const pathsIn = ({ properties = {} }: Property, prefix = ""): string[] =>
  Object.entries(properties).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`;
    const isOpen = [inner, ...(inner.anyOf ?? [])].some(({ type }) => type === "object");
    const fields = inner.properties ? pathsIn(inner, `${path}.`) : isOpen ? [`${path}.`] : [];
    return [path, ...fields];
  });

const paths = pathsIn(z.toJSONSchema(trainOptions, { io: "input" }) as Property);

function checkAxis(path: string, values: readonly unknown[]): void {
  const known = paths.includes(path) || paths.some((open) => open.endsWith(".") && path.startsWith(open));
  if (path === "best") throw new UserError("grid: the option best ranks all runs; set it once, outside grid");
  if (!known) throw new UserError(`grid: there is no option "${path}"${suggest(path, paths)}`);
  const texts = values.map(jsonOf);
  const twice = values.find((_, i) => texts.indexOf(texts[i]) < i);
  if (twice !== undefined) throw new UserError(`grid: ${path} has ${shown(twice)} twice`);
}

function optionsWith(rest: unknown, choices: readonly Choice[], name: string): TrainOptions {
  const options = choices.reduce((all, [path, value]) => placed(all, path.split("."), value), rest);
  try {
    return completeOptions(options);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`run ${name}: ${error.message}`) : error;
  }
}

/** Copies `into` and replaces the value at a path. */
function placed(into: unknown, [key, ...inner]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const fields = typeof into === "object" && into !== null && !Array.isArray(into) ? into : {};
  return { ...fields, [key]: placed(Object.entries(fields).find(([name]) => name === key)?.[1], inner, value) };
}

/** The maximum length of a name: file systems allow 255 bytes, and a number may follow the name. */
const MOST_CHARACTERS = 200;

/** Names options by the last word of their path, or by the whole path if another path ends in the same word. */
function nameOf(choices: readonly Choice[], all: readonly string[]): string {
  const last = (path: string) => path.slice(path.lastIndexOf(".") + 1);
  const named = (path: string) => (all.filter((other) => last(other) === last(path)).length > 1 ? path : last(path));
  const text = (value: unknown) => (typeof value === "string" ? value : (jsonOf(value) ?? ""));
  const safe = (value: string) => value.replace(/[^\w.+-]+/g, "-");
  return choices
    .map(([path, value]) => `${safe(named(path))}=${safe(text(value))}`)
    .join(",")
    .slice(0, MOST_CHARACTERS);
}

/** Adds numbers to equal names, ignoring case, as some file systems do. */
function unlike(names: readonly string[]): string[] {
  const small = names.map((name) => name.toLowerCase());
  return names.map((name, i) => (small.indexOf(small[i]!) === i ? name : `${name}~${i + 1}`));
}
