import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bundled } from "../util/bundled.testing.ts";

const script = bundled(new URL("./cycles.testing.ts", import.meta.url));

test("200 cycles of loading, running and unloading leave resident memory within 5 %", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-cycles-"));
  const args = ["--expose-gc", script, path.join(folder, "weights.bin")];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  rmSync(folder, { recursive: true });
  const [warm, then, last] = JSON.parse(stdout) as [number, number, number];
  // A leak grows with every cycle; on a busy machine, allocators may also grow once.
  expect(Math.min(then / warm, last / then)).toBeLessThan(1.05);
});
