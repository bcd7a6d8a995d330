import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { predictLoss } from "../../index.ts";
import { define } from "./train-law.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-law-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

test("train law reports the coefficients of the runs in a file, and the law's distance from them", async () => {
  const law = { E: 1.5, A: 200, B: 300, alpha: 0.3, beta: 0.25 };
  const points = [1e5, 1e6, 1e7].flatMap((parameters) => [1e7, 1e8, 1e9].map((tokens) => ({ parameters, tokens })));
  const file = path.join(folder, "points.jsonl");
  writeFileSync(file, points.map((p) => JSON.stringify({ ...p, loss: predictLoss(law, p) })).join("\n"));
  const written: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  const command = new Command("law");
  define(command);
  await command.parseAsync([file], { from: "user" });
  expect(written.join("")).toMatch(/^alpha +0\.3000 +/m);
  expect(written.join("")).toMatch(/^B +300\.0 +/m);
  expect(written.join("")).toContain("9 runs, mean error 0.0000 nats");
});
