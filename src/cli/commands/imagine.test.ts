import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { runProgram } from "../program.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-imagine-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("missing folders of --out are created", async () => {
  const out = path.join(folder, "a", "b", "seven.png");
  await runProgram(["imagine", "--class", "7", "--steps", "1", "--out", out, "--json"]);
  expect(existsSync(out)).toBe(true);
});
