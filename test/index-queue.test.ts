import { type EventEmitter, once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QueueEvents } from "bullmq";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIndex, openIndex, type SearchIndex } from "../src/index-search.ts";
import { Postgres, postgresPrograms } from "../src/ledger/postgres.testing.ts";
import { seededRandom } from "../src/util/random.ts";
import { freePort } from "./free-port.testing.ts";
import { killsUntil } from "./random-kills.testing.ts";
import { Processes, server } from "./redis.testing.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-index-queue-"));
const processes = new Processes(folder);
let postgres: Postgres | undefined;
beforeAll(async () => {
  if (postgresPrograms !== undefined) postgres = await Postgres.start();
});
afterAll(async () => {
  processes.kill();
  await postgres?.stop();
  rmSync(folder, { recursive: true });
});
const able = server !== undefined && postgresPrograms !== undefined && existsSync(postgresPrograms);
if (!able) console.info("indexing on a queue is not tested: there is no Redis or no Postgres");

const words = "wing flow heat plate jet lift drag shock layer wave".split(" ");
const files = Array.from({ length: 12 }, (_, file) => {
  const path = join(folder, `${file}.jsonl`);
  const draw = seededRandom(file);
  const text = () => Array.from({ length: 20 }, () => words[Math.floor(draw() * words.length)]).join(" ");
  const lines = Array.from({ length: 500 }, (_, i) => `${JSON.stringify({ id: `${file}-${i}`, text: text() })}\n`);
  writeFileSync(path, lines.join(""));
  return path;
});

/** The documents, and the best scores of a query. */
async function contents(index: SearchIndex): Promise<unknown> {
  const ids: string[] = [];
  for await (const { id } of index.list()) ids.push(id);
  const { results } = await index.search("jet wave", { top: 50 });
  return { ids, counts: await index.counts(), scores: results.map(({ score }) => score) };
}

test.skipIf(!able)(
  "files on a queue whose workers are killed at random make the index of one process, and a file may change later",
  async () => {
    const alone = await createIndex("alone", { store: folder, embedding: "none" });
    for (const file of files) await alone.addFile(file);
    const store = await postgres!.database();
    await using shared = await createIndex("shared", { store, embedding: "none" });
    const port = await freePort();
    processes.redis(port);
    const url = `redis://127.0.0.1:${port}`;
    const add = (...names: string[]) =>
      processes.modicum(["index", "add", "shared", ...names, "--store", store, "--queue", url]);
    const random = seededRandom(1);
    const worker = () => processes.modicum(["lab", "worker", "--queue", url]);
    const events = new QueueEvents("modicum-lab", { connection: { url } });
    await events.waitUntilReady();
    const returned = once(events as EventEmitter, "stalled");
    const held = once(events as EventEmitter, "active");
    const first = worker();
    const adding = add(...files);
    await held;
    first.kill("SIGKILL");
    await killsUntil(
      () => adding.exitCode !== null,
      worker,
      () => 1000 + 4000 * random(),
      random,
    );
    expect([adding.exitCode, adding.said()]).toEqual([0, expect.stringMatching(/\n\d+ added.*\n$/)]);
    // The first worker died while adding a file, which the queue then gave to another.
    await returned;
    await events.close();
    expect(await contents(shared)).toEqual(await contents(alone));
    await alone.close();

    const other = worker();
    writeFileSync(files[0]!, "");
    const changed = add(files[0]!);
    await once(changed, "close");
    expect([changed.exitCode, changed.said()]).toEqual([0, expect.stringContaining("500 removed")]);
    other.kill("SIGKILL");
    await using again = await openIndex("shared", { store });
    expect((await again.counts()).documents).toBe(files.length * 500 - 500);
  },
  600_000,
);

test("an index in files has no queue", async () => {
  await (await createIndex("local", { store: folder, embedding: "none" })).close();
  const adding = processes.modicum(["index", "add", "local", files[1]!, "--store", folder, "--queue", "redis://none"]);
  expect(await once(adding, "close")).toEqual([2, null]);
  expect(adding.said()).toMatch(
    /error: --queue: expected --store postgres:\/\/user@host\/database, which workers share\n/,
  );
}, 60_000);
