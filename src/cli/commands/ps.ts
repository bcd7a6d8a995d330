import type { Command } from "commander";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { columns, megabytes, print, printJson } from "../output.ts";

const options = z.strictObject({
  url: z
    .url("expected a URL such as http://127.0.0.1:8080")
    .default("http://127.0.0.1:8080")
    .describe("the server's URL"),
  key: z.string().optional().describe("the server's API key, if it needs one (default: MODICUM_API_KEY)"),
});

const models = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      bytes: z.number(),
      parent: z.string().optional(),
      recipes: z.array(z.string()).default([]),
      loaded: z.array(z.object({ quant: z.string().default(""), users: z.number() })),
      servers: z.object({ all: z.number(), up: z.number(), running: z.number() }).optional(),
    }),
  ),
});
type ModelEntry = z.output<typeof models>["data"][number];

export function define(command: Command): void {
  addFlags(command, options).option("--json", "print one JSON object").action(ps);
  examples(command, "modicum ps", "modicum ps --url http://127.0.0.1:8080");
}

async function ps(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { url, key = process.env["MODICUM_API_KEY"] } = readFlags(options, flags);
  const { data } = await ask(url, key);
  // Recipes are listed with their models, whose memory they share.
  const all = data.filter(({ parent }) => parent === undefined);
  if (flags["json"]) return printJson({ models: all });
  print(...columns([["MODEL", "FILES", "RECIPES", "FORM", "RUNNING"], ...all.flatMap(rows)]));
}

async function ask(url: string, key: string | undefined): Promise<z.output<typeof models>> {
  const headers = key === undefined ? undefined : { authorization: `Bearer ${key}` };
  const response = await fetch(new URL("/v1/models", url), { ...(headers && { headers }) }).catch(() => {
    throw new UserError(`no server answers at ${url}; \`modicum serve\` starts one`);
  });
  const answer: unknown = await response.json().catch(() => undefined);
  const { success, data } = models.safeParse(answer);
  if (success) return data;
  const { error } = (answer ?? {}) as { error?: { message?: string } };
  throw new UserError(`${url}: ${error?.message ?? `not a Modicum server (status ${response.status})`}`);
}

function rows({ id, bytes, recipes, loaded, servers }: ModelEntry): string[][] {
  if (servers) return [[id, "", "", `${servers.up} of ${servers.all} servers answer`, String(servers.running)]];
  const cells = [id, megabytes(bytes), recipes.map((name) => name.slice(name.lastIndexOf("@") + 1)).join(" ")];
  if (loaded.length === 0) return [[...cells, "not in memory", ""]];
  return loaded.map(({ quant, users }) => [...cells, quant, String(users)]);
}
