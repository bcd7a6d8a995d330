import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import Libsql from "libsql";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundled } from "../util/bundled.testing.ts";
import { openLedger } from "./store.ts";

const ROUNDS = 16;
const writer = bundled(new URL("./fixtures/writer.testing.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-kill-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(path: string): {
  child: ChildProcess;
  started: Promise<void>;
  /** The number of receipts acknowledged so far. */
  receiptCount: () => number;
  ended: Promise<string[]>;
  errors: () => string;
} {
  const child = spawn(process.execPath, [writer, path], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stderr!.on("data", (data) => (err += data));
  const started = new Promise<void>((resolve) => {
    child.stdout!.on("data", (data) => {
      out += data;
      resolve();
    });
  });
  // A line that the kill cut off was not acknowledged.
  const ended = new Promise<string[]>((resolve) => child.on("close", () => resolve(out.split("\n").slice(1, -1))));
  const receiptCount = () => Math.max(0, out.split("\n").length - 2);
  return { child, started, receiptCount, ended, errors: () => err };
}

/** Starts two writers on one ledger, kills both at the given moment, and returns the ids that they acknowledged. */
async function round(path: string, moment: (receiptCount: () => number) => Promise<unknown>): Promise<string[]> {
  const writers = [start(path), start(path)];
  await Promise.all(writers.map((w) => w.started));
  await moment(() => writers.reduce((sum, w) => sum + w.receiptCount(), 0));
  for (const w of writers) w.child.kill("SIGKILL");
  const acknowledged = await Promise.all(writers.map((w) => w.ended));
  for (const w of writers) expect([w.errors(), w.child.signalCode]).toEqual(["", "SIGKILL"]);
  return acknowledged.flat();
}

test("a ledger survives kill -9 of its writers at any moment and keeps every acknowledged receipt", async () => {
  const path = join(folder, "receipts.db");
  await (await openLedger(path)).close();
  const acknowledged: string[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const some = (receiptCount: () => number) =>
      expect.poll(receiptCount, { interval: 1 }).toBeGreaterThanOrEqual(5 * i);
    acknowledged.push(...(await round(path, some)));
    const raw = new Libsql(path);
    expect(raw.prepare("PRAGMA integrity_check").all()).toEqual([expect.objectContaining({ integrity_check: "ok" })]);
    const retained = new Set((raw.prepare("SELECT id FROM receipts").all() as { id: string }[]).map((row) => row.id));
    raw.close();
    expect(acknowledged.filter((id) => !retained.has(id))).toEqual([]);
    // A writer killed between writing and acknowledging leaves at most one extra receipt per round.
    expect(retained.size - acknowledged.length).toBeLessThanOrEqual(2 * (i + 1));
  }
  const ledger = await openLedger(path);
  expect(await ledger.list({ limit: 100 })).toHaveLength(100);
  await ledger.close();
}, 180_000);

test("a ledger can be opened after a kill during its first opening", async () => {
  for (let i = 0; i < 4; i++) {
    const path = join(folder, `new-${i}.db`);
    const acknowledged = await round(path, () => setTimeout(15 + i * 10));
    const ledger = await openLedger(path);
    expect((await ledger.list()).map((receipt) => receipt.id)).toEqual(expect.arrayContaining(acknowledged));
    await ledger.close();
  }
}, 120_000);
