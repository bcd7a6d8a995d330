import type { Command } from "commander";
import { z } from "zod";
import { type Key, KeyStore, scopes } from "../../serve/keys/store.ts";
import { checkRecipe, termsSchema } from "../../serve/keys/terms.ts";
import { printable } from "../../util/printable.ts";
import { flagOf } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

const createOptions = termsSchema.extend({
  scope: z
    .array(z.enum(scopes))
    .min(1)
    .default(["infer"])
    .describe("infer: use models; admin: also read all receipts and metrics, and change recipes"),
});

interface Flags extends Readonly<Record<string, unknown>> {
  json?: boolean;
}

export function define(command: Command): void {
  const calls = ["modicum keys create alice --max-tokens 500", "modicum keys list", "modicum keys revoke alice"];
  examples(command, ...calls);
  const verb = (name: string, summary: string, call: string) =>
    examples(command.command(name).description(summary).option("--json", "print JSON"), call);
  const creating = verb("create", "create a key, which is shown only once", calls[0]!).argument("<name>", "its name");
  addFlags(creating, createOptions).action(create);
  verb("list", "list the keys", calls[1]!).action(list);
  verb("revoke", "revoke a key", calls[2]!).argument("<id or name>", "the key").action(revoke);
}

async function create(name: string, flags: Flags): Promise<void> {
  const { scope, ...terms } = readFlags(createOptions, flags);
  await checkRecipe(terms);
  const { secret, key } = await new KeyStore().create(name, scope, terms);
  if (flags.json) return printJson({ key: secret, ...shown(key) });
  print(secret);
  process.stderr.write(`key ${key.id}, "${name}": only its hash is stored, so it cannot be shown again\n`);
}

async function list({ json }: Flags): Promise<void> {
  const keys = (await new KeyStore().list()).map(shown);
  if (json) return printJson(keys);
  if (keys.length === 0) return print("there are no keys; `modicum keys create NAME` creates one");
  const rows = keys.map((key) => [key.id, key.scopes.join(","), key.created, key.name, termsOf(key)]);
  print(...columns([["ID", "SCOPES", "CREATED", "NAME", "TERMS"], ...rows]));
}

async function revoke(idOrName: string, { json }: Flags): Promise<void> {
  const key = await new KeyStore().revoke(idOrName);
  if (json) return printJson(shown(key));
  print(`revoked ${key.id}, "${printable(key.name)}"`);
}

/** The flags that set a key's terms. */
const termsOf = ({ terms }: Pick<Key, "terms">): string =>
  Object.entries(terms)
    .flatMap(([term, value]) => (Array.isArray(value) ? value : [value]).flatMap((one) => flagsOf(term, one)))
    .join(" ");

/** A term with the value true has no flag; false is written as the negated flag. */
function flagsOf(term: string, value: string | number | boolean | undefined): string[] {
  if (value === undefined || value === true) return [];
  return [value === false ? flagOf(term).replace("--", "--no-") : `${flagOf(term)} ${value}`];
}

const shown = ({ hash, ...key }: Key): Omit<Key, "hash"> => key;
