/** Requests that schemathesis generates from the server's own description: https://schemathesis.readthedocs.io */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { withModels } from "./fuzz-description.testing.ts";
import type { Scope } from "./keys/store.ts";
import { termsSchema } from "./keys/terms.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

/** Installed by `.ci/run` in the Python environment for tools/reference/clients.txt. */
const schemathesis = fileURLToPath(new URL("../../.ci/venv/bin/schemathesis", import.meta.url));
export const canFuzz = existsSync(schemathesis);

/** The checks that schemathesis runs: no status may be 5xx, and responses must match the description. */
const CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance";

/** A chat template that accepts turns in any order, with calls and results. */
const TEMPLATE =
  "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

const MODELS = TINY.map((spec) => spec.split("=")[0]!);

export interface FuzzReport {
  /** Schemathesis's exit status; 0 if all checks passed. */
  readonly status: number;
  readonly report: string;
  /** Program errors in the server's log. */
  readonly failures: readonly string[];
  /** The number of requests that ran a model, and how many of them were chats. */
  readonly billed: number;
  readonly chats: number;
}

/**
 * Fuzzes a server with this project's small models, with at most `examples` requests per endpoint and phase, and with a
 * key that has `scopes`, if set.
 */
export async function fuzz(examples: number, seed: number, scopes?: readonly Scope[]): Promise<FuzzReport> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-fuzz-"));
  const chat = path.join(folder, "chat.gguf");
  writeFileSync(chat, tinyWithTemplate(TEMPLATE));
  const limits = limitOptions.parse({ maxTokens: 4, maxTexts: 8, maxChoices: 2 });
  const server = await serveModels([...TINY, `chat=${chat}`], { limits });
  try {
    const bounds = [
      "--max-examples",
      `${examples}`,
      "--seed",
      `${seed}`,
      "--request-timeout",
      "60",
      "--suppress-health-check",
      "too_slow",
    ];
    const results = await schemathesisOf(server, [...bounds, ...(scopes ? await keyOf(server, scopes) : [])]);
    const failures = server.logged.filter((line) => line.includes("a request failed"));
    return { ...results, failures, billed: await billed(server), chats: await billed(server, "?model=chat") };
  } finally {
    await server.stop(0);
    rmSync(folder, { recursive: true });
  }
}

/** The command-line options that make schemathesis send a new key, which has ceilings. */
async function keyOf({ keys }: Testing, scopes: readonly Scope[]): Promise<string[]> {
  const { secret } = await keys.create("fuzz", scopes, termsSchema.parse({ maxTokens: 2, maxFlops: 1e9 }));
  return ["--header", `Authorization: Bearer ${secret}`];
}

async function schemathesisOf(
  { url, folder }: Testing,
  options: readonly string[],
): Promise<Pick<FuzzReport, "status" | "report">> {
  const file = path.join(folder, "openapi.json");
  writeFileSync(file, JSON.stringify(withModels(await jsonOf(fetch(`${url}/openapi.json`)), MODELS)));
  const words = ["run", file, "--url", url, "--checks", CHECKS, "--continue-on-failure", "--no-color"];
  const child = spawn(schemathesis, [...words, ...options], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const [report, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { status, report };
}

/** The number of receipts that an admin sees. */
async function billed({ url, keys }: Testing, query = ""): Promise<number> {
  const keyed = (await keys.list()).length > 0;
  const headers = keyed
    ? { authorization: `Bearer ${(await keys.create(`all ${randomUUID()}`, ["admin"])).secret}` }
    : {};
  return (await jsonOf(fetch(`${url}/v1/receipts${query}`, { headers }))).sum.receipts;
}
