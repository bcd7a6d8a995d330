import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { openLedger } from "../ledger/store.ts";
import { openReceipts } from "./open-receipts.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-receipts-"));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

test("lists and sums the receipts of a home or a named ledger", async () => {
  vi.stubEnv("MODICUM_HOME", home);
  {
    await using none = await openReceipts();
    expect([await none.list(), (await none.sum()).receipts]).toEqual([[], 0]);
  }
  const place = path.join(home, "other.db");
  await expect(openReceipts(place)).rejects.toThrow("other.db");
  await (await openLedger(place)).close();
  await using empty = await openReceipts(place);
  expect((await empty.sum()).receipts).toBe(0);
});
