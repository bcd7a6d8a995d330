import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { shown } from "../../../util/checked.ts";
import { suggest, UserError } from "../../../util/errors.ts";
import { readText } from "../../data/files.ts";

/** A row of the data, keyed by column. */
export type Columns = Readonly<Record<string, unknown>>;

type Reward = (prompt: unknown, completion: string, row: Columns) => unknown;

/** A reward function, and its name in metrics. */
export interface NamedReward {
  readonly name: string;
  readonly reward: Reward;
  /** Checks a row before the run. @throws UserError */
  readonly check?: (row: Columns) => void;
  /** The source of a module, and its file. */
  readonly source?: string;
  readonly file?: string;
}

const KINDS = [".mjs", ".js", ".ts"];

/** Opens a built-in reward, or the function exported by a module. @throws UserError */
export async function openReward(name: string): Promise<NamedReward> {
  const own = builtIn[name];
  if (own) return { name, check: own, reward: (_, completion, row) => Number(own(row)(completion)) };
  const { ext, name: short } = path.parse(name);
  if (!KINDS.includes(ext)) {
    const names = Object.keys(builtIn);
    throw new UserError(
      `reward_funcs: there is no reward "${name}"; expected one of ${names.join(", ")}, or a module (${KINDS.join(", ")})${suggest(name, names)}`,
      2,
    );
  }
  if (!existsSync(name)) throw new UserError(`reward_funcs: there is no file ${name}`, 2);
  return { name: short, reward: await functionIn(name), source: readText(name), file: name };
}

async function functionIn(file: string): Promise<Reward> {
  const exported: unknown = await import(pathToFileURL(path.resolve(file)).href).catch((error: unknown) => {
    throw new UserError(`${file}: ${String(error)}`);
  });
  const { reward: named, default: unnamed }: Columns = { ...Object(exported) };
  const reward = [named, unnamed].find(isReward);
  if (reward) return reward;
  throw new UserError(`${file}: expected a function as its default export, or exported as "reward"`);
}

const isReward = (value: unknown): value is Reward => typeof value === "function";

/** Built-in rewards of 1 or 0: each checks a completion against a column of the row. */
const builtIn: Readonly<Record<string, (row: Columns) => (completion: string) => boolean>> = {
  exact: (row) => {
    const answer = column("exact", row, "answer", z.union([z.string(), z.number()]), "a text or a number");
    return (completion) => completion.trim() === String(answer).trim();
  },
  pattern: (row) => {
    const pattern = column("pattern", row, "pattern", z.string(), "a regular expression");
    const expression = readPattern(pattern);
    return (completion) => expression.test(completion);
  },
  schema: (row) => {
    const schema = column("schema", row, "schema", z.record(z.string(), z.json()), "a JSON schema");
    const type = readSchema(schema);
    return (completion) => {
      const value = jsonIn(completion);
      return value !== undefined && type.safeParse(value).success;
    };
  },
};

function column<T>(reward: string, row: Columns, name: string, type: z.ZodType<T>, expected: string): T {
  const result = type.safeParse(row[name]);
  if (result.success) return result.data;
  throw new UserError(`the reward ${reward} needs ${expected} in the column "${name}", got ${shown(row[name])}`);
}

function readPattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch {
    throw new UserError(`"pattern": expected a regular expression, got ${shown(pattern)}`);
  }
}

function readSchema(schema: Record<string, z.core.util.JSONType>): z.ZodType {
  try {
    return z.fromJSONSchema(schema);
  } catch (error) {
    throw new UserError(`"schema": expected a JSON schema: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Parses a text as JSON; returns undefined if it is not JSON. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The place of an error in a module, as ` (reward.mjs: line 3)`; empty if the error's stack lacks the module. */
function placeIn(file: string | undefined, error: unknown): string {
  const module = file && path.posix.basename(pathToFileURL(file).pathname);
  const [line] = (error instanceof Error && error.stack?.split(`/${module}:`)[1]?.match(/^\d+/)) || [];
  return line === undefined ? "" : ` (${file}: line ${line})`;
}

/** Scores a completion. @throws UserError naming the row if a reward fails or returns anything but a finite number */
export async function rewardOf(
  { name, reward, file }: NamedReward,
  { where, prompt, columns }: { readonly where: string; readonly prompt: unknown; readonly columns: Columns },
  completion: string,
): Promise<number> {
  let value: unknown;
  try {
    value = await reward(prompt, completion, columns);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${where}: the reward ${name} failed${placeIn(file, error)}: ${reason}`);
  }
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new UserError(`${where}: the reward ${name} returned ${shown(value)}; expected a number`);
}
