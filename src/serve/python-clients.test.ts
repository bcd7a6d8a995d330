import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveModels, type Testing, TINY } from "./serve.testing.ts";

/** From the Python environment with the packages of tools/reference/clients.txt, installed by `.ci/run`. */
const python = fileURLToPath(new URL("../../.ci/venv/bin/python", import.meta.url));
const script = fileURLToPath(new URL("../../tools/reference/clients.py", import.meta.url));
const there = existsSync(python);
if (!there) console.warn("Python's clients: not tested, since there is no .ci/venv (.ci/run makes it)");

let server: Testing;
beforeAll(async () => {
  if (there) server = await serveModels(["smollm2", TINY[1]!, TINY[2]!], { scheduling: { rows: 1, queue: 0 } });
});
afterAll(() => server?.stop(0));

test.skipIf(!there)("openai's and cohere's Python clients work unchanged, and raise their typed errors", async () => {
  const { secret } = await server.keys.create("python", ["infer"]);
  const { stdout } = await promisify(execFile)(python, [script, server.url, secret]);
  expect(stdout.trim().split("\n")).toEqual([
    "chat",
    "stream",
    "responses",
    "models",
    "embeddings",
    "errors",
    "rate_limit",
    "rerank_v1",
    "rerank_v2",
    "embed_v1",
    "embed_v2",
  ]);
});
