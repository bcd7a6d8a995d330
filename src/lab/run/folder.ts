import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { formAdvice } from "../../savings/notice-form.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { codeOf, writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import { questionForm } from "../../weights/tokenizer/index.ts";

/** run.json: the identity of a folder's results. Different runs never share a folder. */
const identitySchema = z.object({
  task: z.string(),
  model: z.string(),
  model_hash: z.string(),
  quant: z.string(),
  /** Bits per code with which 4-bit weights ran; absent in older runs. */
  codes: z.number().optional(),
  seed: z.number(),
  /** The maximum number of items; null means all items. */
  limit: z.number().nullable(),
  truncate: z.string().nullable(),
  /** Absent in older runs. */
  prompt: questionForm.optional(),
  /** SHA-256 of the adapter, if any. */
  adapter: z.string().optional(),
  /** The number of answers generated together. */
  rows: z.number().default(1),
  items: z.number(),
  /** SHA-256 of the items. */
  items_hash: z.string(),
  /** Modicum's version; absent in older runs. */
  version: z.string().optional(),
});

export type Identity = z.infer<typeof identitySchema>;

/** The treatment of a folder that holds a run: refuse it, resume it, or start over. */
export type Reuse = "refuse" | "resume" | "force";

const written = ["run.json", "results.jsonl", "summary.json", "report.html", "frontier.svg"];

export const identityFile = (folder: string): string => path.join(folder, "run.json");
export const resultsFile = (folder: string): string => path.join(folder, "results.jsonl");
export const summaryFile = (folder: string): string => path.join(folder, "summary.json");

/**
 * Checks that a run may use the folder, without changing it. Returns the run to resume, if any.
 * @throws UserError if it holds a different run
 */
export async function checkFolder(folder: string, identity: Identity, reuse: Reuse): Promise<Identity | undefined> {
  const held = await contents(folder);
  if (held.length === 0 || reuse === "force") return undefined;
  if (!held.includes("run.json"))
    throw new UserError(`${folder} is not empty and holds no lab run; expected a new or empty folder, or --force`);
  if (reuse === "refuse")
    throw new UserError(`${folder} already holds a lab run; --resume continues it, --force replaces it`);
  const own = await readIdentity(folder);
  requireSame(folder, own, {
    ...identity,
    version: own.version && identity.version,
    codes: own.codes && identity.codes,
    prompt: own.prompt && identity.prompt,
    adapter: own.prompt && identity.adapter,
  });
  return own;
}

/**
 * Prepares the folder for a run's results; `notice` receives a warning if existing results lack a version.
 * @throws UserError if it holds another run
 */
export async function claimFolder(
  folder: string,
  identity: Identity,
  reuse: Reuse,
  notice?: (sentence: string) => void,
): Promise<void> {
  const own = await checkFolder(folder, identity, reuse);
  if (own === undefined) return begin(folder, identity);
  if (own.version === undefined)
    notice?.(`${folder} does not say which version of Modicum began it; version ${identity.version} continues it`);
}

async function begin(folder: string, identity: Identity): Promise<void> {
  try {
    makeFolders(folder);
  } catch (error) {
    throw writeError(error, folder);
  }
  for (const name of written) await rm(path.join(folder, name), { force: true });
  await writeJson(identityFile(folder), identity);
}

async function contents(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.endsWith(".part"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw writeError(error, folder);
  }
}

/** @throws UserError if the folder holds no run */
async function readIdentity(folder: string): Promise<Identity> {
  const file = identityFile(folder);
  if (!existsSync(file)) throw new UserError(`${folder} holds no lab run: there is no ${file}`);
  return readJson(file, identitySchema, "a lab run");
}

function requireSame(folder: string, held: Identity, identity: Identity): void {
  const differs = (Object.keys(identity) as (keyof Identity)[]).find((key) => held[key] !== identity[key]);
  if (differs === undefined) return;
  if (differs === "items_hash")
    throw new UserError(
      `${folder} holds results of another run: it has equally many items, but different ones; the task's data or its prompts have changed`,
    );
  const what = differs.replace("_", " ");
  const advice = differs === "quant" ? formAdvice(held.quant, identity.quant) : "";
  throw new UserError(
    `${folder} holds results of another run: its ${what} is ${held[differs] ?? "not given"}, this run's ${identity[differs] ?? "is not given"}${advice}`,
  );
}
