import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parts } from "../../ledger/fixtures/parts.testing.ts";
import { makeReceipt } from "../../ledger/receipt.ts";
import { openLedger } from "../../ledger/store.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { define } from "./receipts.ts";

let home: string;
let stdout = "";
beforeEach(() => {
  home = tempFolder();
  stdout = "";
  vi.stubEnv("MODICUM_HOME", home);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function receipts(...words: string[]): Promise<void> {
  const command = new Command("receipts");
  define(command);
  await command.parseAsync(words, { from: "user" });
}

test("before the first answer there are none, and nothing is created", async () => {
  await receipts("--json");
  expect(JSON.parse(stdout)).toMatchObject({ receipts: [], sum: { receipts: 0 }, keys: [] });
  expect(readdirSync(home)).toEqual([]);
});

test("a named ledger has to exist; a missing one is not created", async () => {
  const missing = path.join(home, "folder", "x.db");
  await expect(receipts("--ledger", missing)).rejects.toThrow(`there is no ledger at ${missing}`);
  await expect(receipts("--ledger", "mysql://x")).rejects.toThrow("got mysql://…");
  expect(existsSync("mysql:")).toBe(false);
  expect(readdirSync(home)).toEqual([]);
});

test("a model's name cannot control the terminal", async () => {
  const ledger = await openLedger(path.join(home, "receipts.db"));
  await ledger.add(makeReceipt(parts({ model: "a\x1b[2J" })));
  await ledger.close();
  await receipts();
  expect(stdout).toContain(" a\\u001b[2J ");
  expect(stdout).not.toContain("\x1b");
});
