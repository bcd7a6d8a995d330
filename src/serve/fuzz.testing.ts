/** Requests that schemathesis makes up from the server's own description: https://schemathesis.readthedocs.io */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { limitOptions } from "./limits.ts";
import { jsonOf, serveModels, TINY } from "./serve.testing.ts";

/** With what tools/reference/clients.txt asks for; `.ci/run` makes it. */
const schemathesis = fileURLToPath(new URL("../../.ci/venv/bin/schemathesis", import.meta.url));
export const canFuzz = existsSync(schemathesis);

/** Among them, that no status is 5xx and that answers have the form that is described. */
const CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance";

export interface Fuzzed {
  /** 0: all checks held. */
  readonly status: number;
  readonly report: string;
  /** Errors of the program that the server logged. */
  readonly failures: readonly string[];
  /** Requests that came to run a model. */
  readonly billed: number;
}

/** Asks a server with this project's small models; `examples` are most requests of an endpoint in each phase. */
export async function fuzz(examples: number, seed: number): Promise<Fuzzed> {
  const limits = limitOptions.parse({ maxTokens: 4, maxTexts: 8, maxChoices: 2 });
  const server = await serveModels(TINY, { limits });
  try {
    const file = path.join(server.folder, "openapi.json");
    writeFileSync(file, JSON.stringify(withModels(await jsonOf(fetch(`${server.url}/openapi.json`)))));
    const bounds = ["--max-examples", `${examples}`, "--seed", `${seed}`, "--request-timeout", "20"];
    const words = ["run", file, "--url", server.url, "--checks", CHECKS, "--continue-on-failure", "--no-color"];
    const child = spawn(schemathesis, [...words, ...bounds], {
      cwd: server.folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [report, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    const failures = server.logged.filter((line) => line.includes("a request failed"));
    const { sum } = await jsonOf(fetch(`${server.url}/v1/receipts`));
    return { status, report, failures, billed: sum.receipts };
  } finally {
    await server.stop(0);
  }
}

/** The description with the names of the models in it: made-up ones only ever get 404. */
function withModels(described: unknown): unknown {
  const names = TINY.map((spec) => spec.split("=")[0]);
  return JSON.parse(JSON.stringify(described), (key, value) =>
    key === "model" && value?.description?.startsWith("a model's name") ? { type: "string", enum: names } : value,
  );
}
