import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Done } from "./done.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-done-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a part that is done is not made again, also by a later run", async () => {
  const stages: string[] = [];
  const make = (name: string) => async () => {
    stages.push(name);
    return { name, values: [["a", 0.25]] };
  };
  const first = Done.in(folder);
  await first.once("mask", make("mask"));
  await expect(first.once("user", () => Promise.reject(new Error("stopped")))).rejects.toThrow("stopped");
  const later = Done.in(folder);
  expect(await later.once("mask", make("other"))).toEqual({ name: "mask", values: [["a", 0.25]] });
  expect(await later.once("user", make("user"))).toEqual({ name: "user", values: [["a", 0.25]] });
  expect(stages).toEqual(["mask", "user"]);
});
