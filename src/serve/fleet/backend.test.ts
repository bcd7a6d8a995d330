import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { Backend } from "./backend.ts";
import type { RemoteOptions } from "./file.ts";
import type { Reply } from "./transport.ts";

const options = {
  name: "away",
  servers: [],
  kind: "openai",
  health: { path: "/health", interval: 3600, timeout: 5, failures: 3 },
} as unknown as RemoteOptions;
const well = { status: 200, headers: {}, body: { dump: async () => {} } } as unknown as Reply;

let backend: Backend;
afterEach(() => backend.close());

test("a check that began before a request broke does not restore the server; the next one comes at once", async () => {
  const checks: ((reply: Reply) => void)[] = [];
  const send = () => new Promise<Reply>((resolve) => void checks.push(resolve));
  backend = new Backend("a", "http://a", options, { send, close: async () => {} }, pino({ level: "silent" }));
  const watched = backend.watch(() => {});
  backend.suspect();
  checks[0]!(well);
  await watched;
  expect(backend.up).toBe(false);
  await expect.poll(() => checks).toHaveLength(2);
  checks[1]!(well);
  await expect.poll(() => backend.up).toBe(true);
});
