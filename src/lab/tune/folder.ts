import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readJson, readKeptJson } from "../../weights/json-file.ts";
import { home } from "../../weights/sources/home.ts";

/** Everything that a tuning's result follows from, besides the clock. */
const identity = z.strictObject({
  model: z.string(),
  model_hash: z.string(),
  form: z.string(),
  codes: z.number(),
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

const state = z.strictObject({ identity, attempt: z.int().min(1), created: z.iso.datetime() });

const attempts = z.record(
  z.string(),
  z.array(z.strictObject({ name: z.string(), created: z.iso.datetime(), identity: z.string() })),
);

const tunings = (): string => path.join(home(), "tunings");
export const tuningFolder = (name: string): string => path.join(tunings(), name);
const identityFile = (name: string): string => path.join(tuningFolder(name), "identity.json");
const attemptsFile = (): string => path.join(tunings(), "attempts.json");

/**
 * Checks that a tuning may go by this name, and changes nothing; true if one is to be resumed.
 * @throws UserError if another one has the name
 */
export function checkTuning(name: string, wanted: Identity, force: boolean): boolean {
  if (force || !existsSync(identityFile(name))) return false;
  const held = readJson(identityFile(name), state, "a tuning").identity;
  const differs = (Object.keys({ ...held, ...wanted }) as (keyof Identity)[]).find(
    (key) => JSON.stringify(held[key]) !== JSON.stringify(wanted[key]),
  );
  if (differs === undefined) return true;
  const what = differs === "items_hash" ? "as many items, and others" : `another ${differs.replace("_", " ")}`;
  throw new UserError(
    `--name: the tuning ${name} has ${what}${told(held[differs], wanted[differs])}; --force begins it anew, another name keeps it`,
  );
}

const told = (held: unknown, wanted: unknown): string => {
  const texts = [held, wanted].map((value) => (typeof value === "object" ? undefined : String(value ?? "none")));
  return texts.every((text) => text !== undefined && text.length < 60) ? `: ${texts[0]}, and this one ${texts[1]}` : "";
};

/**
 * Begins a tuning, or resumes it. A tuning begun is an attempt on its model, loss and task, whatever becomes of it.
 * @returns the how manieth attempt it is
 */
export async function claimTuning(name: string, wanted: Identity, force: boolean): Promise<number> {
  if (checkTuning(name, wanted, force)) return readJson(identityFile(name), state, "a tuning").attempt;
  await rm(tuningFolder(name), { recursive: true, force: true });
  const created = new Date().toISOString();
  const all = readKeptJson(attemptsFile(), attempts) ?? {};
  const key = attemptKey(wanted);
  const earlier = all[key] ?? [];
  await keepJson(attemptsFile(), { ...all, [key]: [...earlier, { name, created, identity: hashOf(wanted) }] });
  await keepJson(identityFile(name), { identity: wanted, attempt: earlier.length + 1, created });
  return earlier.length + 1;
}

/** Takes back a tuning whose test cannot begin: it is no attempt. */
export async function withdrawTuning(name: string): Promise<void> {
  const { identity: own, created } = readJson(identityFile(name), state, "a tuning");
  const all = readKeptJson(attemptsFile(), attempts) ?? {};
  const others = (all[attemptKey(own)] ?? []).filter((each) => each.name !== name || each.created !== created);
  await keepJson(attemptsFile(), { ...all, [attemptKey(own)]: others });
  await rm(tuningFolder(name), { recursive: true, force: true });
}

/** The attempt that a tuning would be if it began now. */
export function nextAttempt(name: string, wanted: Identity, force: boolean): number {
  if (checkTuning(name, wanted, force)) return readJson(identityFile(name), state, "a tuning").attempt;
  return (readKeptJson(attemptsFile(), attempts)?.[attemptKey(wanted)]?.length ?? 0) + 1;
}

/** A file may move; its name says which task it is. */
const attemptKey = ({ model_hash, loss, task }: Identity): string => `${model_hash} ${loss} ${path.basename(task)}`;

const hashOf = (wanted: Identity): string => createHash("sha256").update(JSON.stringify(wanted)).digest("hex");

/** The confidence at which an attempt is tested: each has half the error of the one before. */
export const confidenceOf = (confidence: number, attempt: number): number => 1 - (1 - confidence) / 2 ** (attempt - 1);
