import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { preparedHeld } from "./leftovers.ts";
import { PreparedStore } from "./store.ts";
import { VERSION } from "./store-index.ts";

const programs = mkdtempSync(path.join(tmpdir(), "modicum-leftovers-"));
afterAll(() => rmSync(programs, { recursive: true }));

function put(folder: string, name: string, text: string): string {
  mkdirSync(path.join(programs, folder), { recursive: true });
  writeFileSync(path.join(programs, folder, name), text);
  return path.join(programs, folder);
}

test("weights that another version laid out are reported with their bytes; those in use and half-written are not", () => {
  const store = new PreparedStore(path.join(programs, "a", "auto"), "of a file");
  store.append(new Uint8Array(100));
  store.commit();
  const index = JSON.stringify({ version: VERSION - 1 });
  const oldForm = put("a/q8", "weights.json", index);
  put("a/q8", "weights.bin", "12345");
  put("c/f32", "weights.7.tmp", "under way");
  put("a", "tuning.json", "{}");
  const oldModel = put("b", "weights.bin", "1234567");
  const { bytes, stale } = preparedHeld(programs);
  expect(new Set(stale)).toEqual(
    new Set([
      { folder: oldForm, bytes: index.length + 5 },
      { folder: oldModel, bytes: 7 },
    ]),
  );
  expect(bytes).toBeGreaterThan(100 + index.length + 5 + 7);
});

test("where nothing was prepared, nothing is held", () => {
  expect(preparedHeld(path.join(programs, "none"))).toEqual({ bytes: 0, stale: [] });
});
