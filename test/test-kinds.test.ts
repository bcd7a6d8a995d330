import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { reasons, testFiles } from "../tools/test-kinds.ts";

const root = mkdtempSync(join(tmpdir(), "modicum-kinds-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text: string): string {
  mkdirSync(join(root, dirname(file)), { recursive: true });
  writeFileSync(join(root, file), text);
  return file;
}

test.each([
  ["process", 'import { spawn } from "node:child_process";'],
  ["process", 'import { chromium } from "playwright-core";'],
  ["socket", 'import net from "node:net";'],
  ["socket", "await fetch(url);"],
  ["model", 'await resolveModel("smollm2");'],
  ["model", 'using model = await load("gemma3");'],
  ["clock", "setTimeout(resolve, 10);"],
  ["clock", "await expect.poll(() => done).toBe(true);"],
  ["profile", 'import { Session } from "node:inspector";'],
  ["timeout", 'test("long", () => {\n  walk();\n}, 120_000);'],
])("%s is a reason: %s", (reason, text) => {
  expect(reasons(root, write("reasons/a.test.ts", text))).toEqual([reason]);
});

test("a tiny model from a file is not a reason", () => {
  const text = 'const model = await load(fileURLToPath(new URL("../models/tiny.gguf", import.meta.url)));';
  expect(reasons(root, write("reasons/b.test.ts", text))).toEqual([]);
});

test("helpers count, at any depth, and also in a cycle", () => {
  write("helpers/one.testing.ts", 'import { two } from "../deep/two.testing.ts";');
  write("deep/two.testing.ts", 'import { one } from "../helpers/one.testing.ts";\nimport net from "node:net";');
  const file = write("helpers/a.test.ts", 'import { one } from "./one.testing.ts";');
  expect(reasons(root, file)).toEqual(["socket"]);
});

test("every test file is in one project", () => {
  write("sorted/fast.test.ts", "expect(1).toBe(1);");
  write("sorted/deep/slow.test.ts", 'import net from "node:net";');
  write("sorted/isolated.test.ts", 'vi.mock("./a.ts");\nimport net from "node:net";');
  write("sorted/helper.testing.ts", "export const x = 1;");
  expect(testFiles(root, ["sorted"])).toEqual({
    fast: ["sorted/fast.test.ts"],
    slow: ["sorted/deep/slow.test.ts"],
    isolated: ["sorted/isolated.test.ts"],
  });
});
