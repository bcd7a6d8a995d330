import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterAll, expect, test } from "vitest";
import { bundled } from "../util/bundled.testing.ts";
import { UserError } from "../util/errors.ts";
import { addAll } from "./add.ts";
import { ANALYSIS, countsOf } from "./analysis.ts";
import { killDocuments, killEmbed } from "./fixtures/documents.testing.ts";
import type { IndexSettings } from "./settings.ts";
import { createStore, openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";

const adder = bundled(new URL("./fixtures/adder.testing.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-index-kill-"));
afterAll(() => rmSync(folder, { recursive: true }));

const settings: IndexSettings = {
  analysis: ANALYSIS,
  embedding: { name: "lengths", sha256: "0".repeat(64), width: 2 },
  chunks: { words: 12, overlap: 3 },
};

/**
 * Starts two processes that add the same documents, kills both after some batches, and returns how many each of them
 * reported.
 */
async function killed(place: string, batches: number): Promise<number[]> {
  const all = [1, 2].map(() => spawn(process.execPath, [adder, place], { stdio: ["ignore", "pipe", "inherit"] }));
  const outputs = all.map(() => "");
  await new Promise<void>((resolve) => {
    for (const [i, child] of all.entries())
      child.stdout!.on("data", (data) => {
        outputs[i] += data;
        if (outputs.some((text) => text.split("\n").length > batches + 1)) resolve();
      });
  });
  for (const child of all) child.kill("SIGKILL");
  await Promise.all(all.map((child) => new Promise((resolve) => child.on("close", resolve))));
  return outputs.map((text) =>
    Number(
      text
        .split("\n")
        .slice(1, -1)
        .findLast((line) => /^\d+$/.test(line)) ?? 0,
    ),
  );
}

const answers = async (store: Store) => ({
  counts: await store.counts(),
  terms: (await store.byTerms(countsOf(["jet", "wave", "part"]), 20_000)).hits.map(({ score }) => score.toFixed(9)),
});

test("two killed additions lose nothing that they reported as stored, and resume", async () => {
  const place = mkdtempSync(join(folder, "place-"));
  await (await createStore(place, "notes", settings)).close();
  let before = 0;
  for (const batches of [1, 2, 3]) {
    const outputs = await killed(place, batches);
    const store = await openStore(place, "notes");
    const { documents } = await store.counts();
    expect(documents).toBeGreaterThanOrEqual(Math.max(before, ...outputs));
    before = documents;
    await store.close();
  }
  const store = await openStore(place, "notes");
  const { added, unchanged } = await addAll(store, null, killDocuments(), killEmbed, () => {});
  expect([added + unchanged, unchanged]).toEqual([3000, before]);
  const fresh = await createStore(place, "fresh", settings);
  await addAll(fresh, null, killDocuments(), killEmbed, () => {});
  expect(await answers(store)).toEqual(await answers(fresh));
  await Promise.all([store.close(), fresh.close()]);
});

test("a truncated index is reported in one sentence", async () => {
  const place = mkdtempSync(join(folder, "cut-"));
  const store = await createStore(place, "notes", settings);
  await addAll(store, null, killDocuments().slice(0, 300), killEmbed, () => {});
  await store.close();
  const file = join(place, "notes", "index.db");
  const db = new Libsql(file);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  truncateSync(file, 20_000);
  const attempt = openStore(place, "notes").then(answers);
  await expect(attempt).rejects.toThrow(UserError);
  await expect(attempt).rejects.toThrow(`${file} is damaged or is not an index`);
});

test("an index of an earlier analysis is refused", async () => {
  const place = mkdtempSync(join(folder, "old-"));
  await (await createStore(place, "notes", { ...settings, analysis: "english-porter-0" })).close();
  await expect(openStore(place, "notes")).rejects.toThrow("create it again");
});
