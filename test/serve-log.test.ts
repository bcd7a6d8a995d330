import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serve } from "../bench/serve/server.ts";
import { TINY } from "../src/serve/serve.testing.ts";
import { freePort } from "./free-port.testing.ts";

const program = join(import.meta.dirname, "..", "bin", "modicum.js");

test("a server whose log has lost its reader stops", async () => {
  const server = await serve("--model", TINY[0]!);
  try {
    server.process.stderr!.destroy();
    const gone = once(server.process, "exit");
    server.process.kill("SIGINT");
    expect(await gone).toEqual([0, null]);
  } finally {
    await server.stop();
  }
});

test.runIf(process.platform === "linux")("a server whose log's disk is full answers, and stops", async () => {
  const [home, port] = [mkdtempSync(join(tmpdir(), "modicum-full-")), await freePort()];
  const child = spawn(process.execPath, [program, "serve", "--port", String(port), "--model", TINY[0]!], {
    env: { ...process.env, MODICUM_HOME: home },
    stdio: ["ignore", "ignore", openSync("/dev/full", "w")],
  });
  const gone = once(child, "exit");
  try {
    const health = () =>
      fetch(`http://127.0.0.1:${port}/health`).then(
        ({ status }) => status,
        () => 0,
      );
    await expect.poll(health).toBe(200);
    for (let i = 0; i < 3; i++) expect(await health()).toBe(200);
    child.kill("SIGTERM");
    expect(await gone).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await gone;
    rmSync(home, { recursive: true });
  }
});
