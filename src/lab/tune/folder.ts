import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readJson, readKeptJson } from "../../weights/json-file.ts";
import { home } from "../../weights/sources/home.ts";

/** Everything that determines a tuning run's result, except the clock. */
const identity = z.strictObject({
  model: z.string(),
  model_hash: z.string(),
  form: z.string(),
  codes: z.number(),
  /** The weights of a pair's first model. */
  swift: z.strictObject({ model: z.string(), form: z.string(), codes: z.number() }).optional(),
  adapter: z.string().optional(),
  task: z.string(),
  items: z.number(),
  items_hash: z.string(),
  prompt: z.string(),
  sampling: z.record(z.string(), z.number()),
  loss: z.string(),
  metric: z.string().optional(),
  risk: z.number(),
  confidence: z.number(),
  cost: z.string(),
  candidates: z.array(z.string()),
  version: z.string(),
});
export type Identity = z.infer<typeof identity>;

const state = z.strictObject({ identity, attempt: z.int().min(1).optional(), created: z.iso.datetime() });

const attempt = z.strictObject({
  name: z.string(),
  created: z.iso.datetime(),
  /** Short hashes of the task's prompts: a task is defined by its items, whatever its file's name. */
  prompts: z.array(z.string()),
});
/** A tuning run whose test has begun. */
export type Attempt = z.infer<typeof attempt>;

/** Attempts, keyed by model and loss. */
const attempts = z.record(z.string(), z.array(attempt));

const tunings = (): string => path.join(home(), "tunings");
export const tuningFolder = (name: string): string => path.join(tunings(), name);
const identityFile = (name: string): string => path.join(tuningFolder(name), "identity.json");
const attemptsFile = (): string => path.join(tunings(), "attempts.json");

/**
 * Checks that a tuning run may use this name, without changing anything; true if it resumes a run. @throws UserError if
 * a different run has the name
 */
export function checkTuning(name: string, identity: Identity, force: boolean): boolean {
  if (force || !existsSync(identityFile(name))) return false;
  const held = heldState(name).identity;
  const differs = (Object.keys({ ...held, ...identity }) as (keyof Identity)[]).find(
    (key) => JSON.stringify(held[key]) !== JSON.stringify(identity[key]),
  );
  if (differs === undefined) return true;
  const what = differs === "items_hash" ? "different items" : `another ${differs.replace("_", " ")}`;
  throw new UserError(
    `--name: the tuning run ${name} has ${what}${difference(held[differs], identity[differs])}; --force discards it, another name keeps it`,
  );
}

const difference = (held: unknown, current: unknown): string => {
  const texts = [held, current].map((value) => (typeof value === "object" ? undefined : String(value ?? "none")));
  return texts.every((text) => text !== undefined && text.length < 60) ? `: ${texts[0]}, and this one ${texts[1]}` : "";
};

/** Begins or resumes a tuning run. */
export async function beginTuning(name: string, identity: Identity, force: boolean): Promise<void> {
  if (checkTuning(name, identity, force)) return;
  await removeTuning(name);
  await keepJson(identityFile(name), { identity, created: new Date().toISOString() });
}

export const removeTuning = (name: string): Promise<void> => rm(tuningFolder(name), { recursive: true, force: true });

/** A tuning run's attempt number or, before its test, the number that it would have now. */
export function attemptOf(name: string, identity: Identity, prompts: readonly string[], force: boolean): number {
  const attempt = checkTuning(name, identity, force) ? heldState(name).attempt : undefined;
  return attempt ?? earlierAttempts(identity, prompts).length + 1;
}

/**
 * Counts a tuning run as an attempt on its model, loss and items, as its test begins. @throws UserError if another test
 * began after `attempt` was counted, which changes the bound
 */
export async function claimAttempt(name: string, prompts: readonly string[], attempt: number): Promise<void> {
  const held = heldState(name);
  if (held.attempt !== undefined) return;
  const now = earlierAttempts(held.identity, prompts).length + 1;
  if (now !== attempt)
    throw new UserError(
      `another tuning run on these items began its test meanwhile: this is attempt ${now}, not ${attempt}; repeat the command to continue`,
    );
  const [all, key] = [heldAttempts(), attemptKey(held.identity)];
  const own = { name, created: held.created, prompts: [...prompts] };
  await keepJson(attemptsFile(), { ...all, [key]: [...(all[key] ?? []), own] });
  await keepJson(identityFile(name), { ...held, attempt });
}

/** Attempts on the same model, loss and task. Equal tasks share more than half of the smaller task's prompts. */
export const earlierAttempts = (identity: Identity, prompts: readonly string[]): Attempt[] =>
  (heldAttempts()[attemptKey(identity)] ?? []).filter((earlier) => overlap(new Set(earlier.prompts), new Set(prompts)));

const overlap = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  [...a].filter((prompt) => b.has(prompt)).length > Math.min(a.size, b.size) / 2;

const heldState = (name: string) => readJson(identityFile(name), state, "a tuning");
const heldAttempts = () => readKeptJson(attemptsFile(), attempts) ?? {};
const attemptKey = ({ swift, model_hash, loss }: Identity): string =>
  `${swift ? `${swift.model}>` : ""}${model_hash} ${loss}`;

/** The confidence of an attempt's test: each attempt has half the error of the previous one. */
export const confidenceOf = (confidence: number, attempt: number): number => 1 - (1 - confidence) / 2 ** (attempt - 1);
