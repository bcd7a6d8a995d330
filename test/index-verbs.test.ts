import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { inProcess } from "./program.testing.ts";

const own = mkdtempSync(join(tmpdir(), "modicum-index-verbs-"));
afterAll(() => rmSync(own, { recursive: true }));

const ours = (...words: string[]) => inProcess(words, own);
const file = join(own, "notes.jsonl");
const write = (...documents: object[]) =>
  writeFileSync(file, documents.map((it) => `${JSON.stringify(it)}\n`).join(""));

test("an index is created, filled, updated from its file, searched and listed, also beside a damaged one", async () => {
  write({ id: "a", title: "Trains", text: "The train is late." }, { id: "b", text: "An apple a day." });
  expect((await ours("index", "list")).stdout).toContain("there are no indexes");
  for (const name of ["broken", "notes"]) {
    expect((await ours("index", "create", name, "--embedding", "none")).stdout).toBe(`created ${name}: no vectors\n`);
    expect((await ours("index", "add", name, file)).stdout).toBe("2 added\n");
  }
  write({ id: "a", title: "Trains", text: "The train is early." });
  expect((await ours("index", "add", "notes", file)).stdout).toBe("1 replaced, 1 removed\n");
  const { results } = JSON.parse((await ours("search", "notes", "early trains", "--json")).stdout);
  expect(results).toMatchObject([{ id: "a", title: "Trains", text: "The train is early." }]);

  writeFileSync(join(own, "indexes", "broken", "index.db"), "no database ".repeat(1000));
  rmSync(join(own, "indexes", "broken", "index.db-wal"), { force: true });
  const { status, stdout, stderr } = await ours("index", "list", "--json");
  expect(JSON.parse(stdout)).toMatchObject([{ name: "notes", documents: 1, embedding: null }]);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/broken.*is damaged or is not an index/)]);

  expect((await ours("index", "rm", "notes", "a")).stdout).toBe("removed 1\n");
  expect(await ours("index", "rm", "notes", "a")).toMatchObject({ status: 1, stdout: "" });
  expect((await ours("index", "rm", "broken", "--all")).stdout).toBe("deleted broken\n");
});

test("an address of another database is refused by its scheme", async () => {
  const { status, stderr } = await ours("index", "create", "notes", "--store", "mysql://me:secret@host/x");
  expect(status).toBe(2);
  expect(stderr).toContain("indexes are folders or postgres://user@host/database, got mysql://…");
});
