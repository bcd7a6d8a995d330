import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolders } from "./make-folders.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-folders-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("folders on the way are made, and the topmost of them is told", () => {
  const [top, deep] = [join(folder, "a"), join(folder, "a", "b", "c")];
  expect(makeFolders(deep)).toBe(top);
  expect(existsSync(deep)).toBe(true);
  expect(makeFolders(deep)).toBeUndefined();
  symlinkSync(deep, join(folder, "link"));
  expect(makeFolders(join(folder, "link"))).toBeUndefined();
});

test("a file in its place or on its way is the system's error", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => makeFolders(file)).toThrow(expect.objectContaining({ code: "EEXIST" }));
  expect(() => makeFolders(join(file, "x", "y"))).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
});

test.skipIf(process.platform !== "linux")("a file system that makes no folders ends it", () => {
  expect(() => makeFolders("/proc/modicum/models")).toThrow(expect.objectContaining({ code: "ENOENT" }));
});
