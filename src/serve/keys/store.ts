import { randomBytes, randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readKeptJson } from "../../weights/json-file.ts";
import { home } from "../../weights/sources/index.ts";
import { type Terms, termsSchema } from "./terms.ts";

export const scopes = ["infer", "admin"] as const;
/** `infer`: use models; `admin`: also see receipts and metrics. */
export type Scope = (typeof scopes)[number];

const newKey = z.object({
  name: z
    .string()
    .regex(/\S/, "expected a name that is not empty")
    .max(100)
    .regex(/^\P{Cc}*$/u, "expected no control characters"),
});

const keySchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** SHA-256, hex. Keys are 256 random bits: a slower hash would add no protection. */
  hash: z.string(),
  scopes: z.array(z.enum(scopes)),
  created: z.iso.datetime(),
  terms: termsSchema.prefault({}),
});

/** A key's stored record, without its secret. */
export type Key = z.output<typeof keySchema>;

/** The prefix of every key. */
export const PREFIX = "mk-";

/** File permissions: only the owner may read and write. */
const OWNERS = 0o600;

/** The file of keys. */
const keysFile = (): string => path.join(home(), "keys.json");

/** API keys in a file that only its owner may read. Changes by other processes take effect at once. */
export class KeyStore {
  #read: { stamp: string; keys: readonly Key[] } | undefined;
  #hadAny = false;

  constructor(readonly file: string = keysFile()) {}

  /** True if this process has ever seen a key. */
  get hadAny(): boolean {
    return this.#hadAny;
  }

  /** @throws KeptFault if the file does not hold keys */
  async list(): Promise<readonly Key[]> {
    const stamp = stampOf(this.file);
    if (this.#read?.stamp !== stamp) this.#read = { stamp, keys: readKeptJson(this.file, z.array(keySchema)) ?? [] };
    this.#hadAny ||= this.#read.keys.length > 0;
    return this.#read.keys;
  }

  /** Creates a key; `secret` is not stored. @throws UserError for a name that cannot be listed or is already taken */
  async create(
    name: string,
    allowed: readonly Scope[],
    terms: Terms = termsSchema.parse({}),
  ): Promise<{ secret: string; key: Key }> {
    checked(newKey, { name });
    const keys = await this.list();
    const same = keys.find((key) => key.name === name);
    if (same) throw new UserError(`name: there is a key "${name}" (${same.id}); expected another name`, 2);
    const secret = `${PREFIX}${randomBytes(32).toString("base64url")}`;
    const created = new Date().toISOString();
    const key = { id: randomUUID().slice(0, 8), name, hash: sha256Of(secret), scopes: [...allowed], created, terms };
    await keepJson(this.file, [...keys, key], OWNERS);
    return { secret, key };
  }

  /** Revokes a key by id or name. @throws UserError if there is no such key, or several keys have the name */
  async revoke(idOrName: string): Promise<Key> {
    const keys = await this.list();
    const matches = keys.filter(({ id, name }) => id === idOrName || name === idOrName);
    if (matches.length > 1) throw new UserError(`${matches.length} keys are named "${idOrName}"; expected an id`);
    if (!matches[0]) throw new UserError(`there is no key "${idOrName}"; see \`modicum keys list\``);
    await keepJson(
      this.file,
      keys.filter((key) => key !== matches[0]),
      OWNERS,
    );
    return matches[0];
  }

  async find(secret: string): Promise<Key | undefined> {
    const hash = sha256Of(secret);
    return (await this.list()).find((key) => key.hash === hash);
  }
}

/**
 * A stamp that changes with every write, which creates a new file. Every request checks the stamp: a synchronous system
 * call is faster than one on another thread.
 */
function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : "none";
}
