import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkSummed, oldReceipt, slow } from "./fixtures/migrated.testing.ts";
import { parts } from "./fixtures/parts.testing.ts";
import { Postgres, postgresPrograms } from "./postgres.testing.ts";
import { makeReceipt } from "./receipt.ts";
import { emptyLedger, type Ledger, openLedger as open } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "ledger-"));
let postgres: Postgres | undefined;
beforeAll(async () => {
  if (postgresPrograms) postgres = await Postgres.start();
});
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

let counter = 0;
const places = { SQLite: async () => join(folder, `${++counter}.db`), Postgres: () => postgres!.database() };

const HOUR = 3_600_000;
const start = Date.UTC(2026, 0, 31);
const hourly = ["a", "b", "a", "b", "a"].map((model, i) =>
  makeReceipt(parts({ model, ...(i > 1 && { key: `k${i % 2}` }) }), start + i * HOUR),
);

describe.each([
  ["SQLite", true],
  // From Debian's package postgresql, which .ci/run installs.
  ["Postgres", postgresPrograms !== undefined],
] as const)("in %s", (kind, there) => {
  if (!there) return test.skip("this machine has no Postgres", () => {});
  let place: string;
  const opened: Ledger[] = [];
  beforeEach(async () => {
    place = await places[kind]();
  });
  afterEach(async () => {
    for (const ledger of opened.splice(0)) await ledger.close();
  });
  async function openLedger(at: string, ...purpose: ["read"] | []): Promise<Ledger> {
    const ledger = await open(at, ...purpose);
    opened.push(ledger);
    return ledger;
  }

  async function filled() {
    const ledger = await openLedger(place);
    for (const receipt of hourly) await ledger.add(receipt);
    return ledger;
  }

  describe("add and get", () => {
    test("added receipts are read back to the last bit, also by the next to open the ledger", async () => {
      const receipt = makeReceipt(parts({ flops: { dense: 1 / 3, spent: 1e20, overhead: 0.1 }, model: "ünï'\"code" }));
      const ledger = await openLedger(place);
      await ledger.add(receipt);
      expect(await ledger.get(receipt.id)).toEqual(receipt);
      expect(await (await openLedger(place)).get(receipt.id)).toEqual(receipt);
    });

    test("an unknown id is undefined", async () => {
      expect(await (await filled()).get("nope")).toBeUndefined();
    });

    test("a receipt added again, as after a broken connection, is stored once, unchanged", async () => {
      const ledger = await filled();
      const more = makeReceipt(parts());
      await ledger.add({ ...hourly[0]!, model: "changed" }, more);
      expect((await ledger.sum()).receipts).toBe(6);
      expect(await ledger.get(hourly[0]!.id)).toEqual(hourly[0]);
      expect(await ledger.get(more.id)).toEqual(more);
    });

    test("two that open it at once see each other's receipts", async () => {
      const [one, two] = await Promise.all([openLedger(place), openLedger(place)]);
      await one.add(hourly[0]!);
      await two.add(hourly[1]!);
      expect((await one.list()).map((r) => r.id)).toEqual([hourly[1]!.id, hourly[0]!.id]);
      expect(await two.list()).toEqual(await one.list());
    });
  });

  describe("reading", () => {
    test("has the written receipts", async () => {
      const ids = async (ledger: Ledger) => (await ledger.list()).map(({ id }) => id);
      expect(await ids(await filled())).toEqual(await ids(await openLedger(place, "read")));
    });

    test("never creates a ledger", async () => {
      for (const _ of [1, 2])
        await expect(openLedger(place, "read")).rejects.toThrow(/there is no ledger|has no ledger/);
    });
  });

  describe("list", () => {
    const at = (hours: number): Date => new Date(start + hours * HOUR);
    const ids = (...places: number[]) => places.map((i) => hourly[i]!.id);

    test.each([
      ["newest first", {}, [4, 3, 2, 1, 0]],
      ["since, itself included", { since: at(3) }, [4, 3]],
      ["since, a moment later", { since: new Date(start + 3 * HOUR + 1) }, [4]],
      ["until, itself excluded", { until: at(2) }, [1, 0]],
      ["of a model", { model: "b" }, [3, 1]],
      ["of a key", { key: "k0" }, [4, 2]],
      ["of a key that none is of", { key: "k0' OR '1' = '1" }, []],
      ["at most", { limit: 2 }, [4, 3]],
      ["all at once", { since: at(0), until: at(4), model: "a", key: "k0", limit: 1 }, [2]],
      ["none", { model: "c" }, []],
      ["at most none", { limit: 0 }, []],
    ])("%s", async (_, filter, places) => {
      expect((await (await filled()).list(filter)).map((r) => r.id)).toEqual(ids(...places));
    });

    test("within one millisecond, the last added comes first", async () => {
      const ledger = await openLedger(place);
      const same = Array.from({ length: 20 }, () => makeReceipt(parts(), start));
      await ledger.add(...same.slice(0, 10));
      for (const receipt of same.slice(10)) await ledger.add(receipt);
      expect((await ledger.list()).map((r) => r.id)).toEqual(same.map((r) => r.id).reverse());
    });
  });

  describe("sum", () => {
    test("adds up every column and weighs the share saved by FLOPs", async () => {
      const ledger = await openLedger(place);
      await ledger.add(
        makeReceipt(parts({ flops: { dense: 100, spent: 50, overhead: 5 }, estimated: true })),
        makeReceipt(
          parts({ flops: { dense: 300, spent: 300, overhead: 1 }, tokens: { prompt: 8, cached: 3, completion: 1 } }),
        ),
      );
      expect(await ledger.sum()).toEqual({
        receipts: 2,
        estimated: 1,
        tokens: { prompt: 820, cached: 3, completion: 65 },
        flops: { dense: 400, spent: 350, overhead: 6, saved: 0.125 },
        bytes: { dense: 2.2e10, spent: 2e10 },
        ms: { queue: 0, load: 620, encode: 0, prefill: 1800, decode: 1280, total: 3700 },
      });
    });

    test("adds up waiting and images", async () => {
      const ledger = await openLedger(place);
      const ms = { queue: 7, load: 310, encode: 50_000, prefill: 900, decode: 640 };
      await ledger.add(makeReceipt(parts({ ms })), makeReceipt(parts()));
      expect((await ledger.sum()).ms).toEqual({
        ...{ queue: 7, load: 620, encode: 50_000, prefill: 1800, decode: 1280, total: 53_707 },
      });
    });

    test("takes the same filter as list", async () => {
      const ledger = await filled();
      expect((await ledger.sum({ model: "b", since: new Date(start + 2 * HOUR) })).receipts).toBe(1);
    });

    test("by key: one sum per key and one without a key, the most expensive first", async () => {
      const ledger = await filled();
      await ledger.add(makeReceipt(parts({ key: "k9", flops: { dense: 1e13, spent: 1e13, overhead: 0 } })));
      const sums = await ledger.sums();
      const counts = sums.map(({ key, receipts }) => [key, receipts]);
      expect(counts[0]).toEqual(["k9", 1]);
      expect(new Map(counts as [string, number][])).toEqual(
        new Map<unknown, number>([
          ["k9", 1],
          [null, 2],
          ["k0", 2],
          ["k1", 1],
        ]),
      );
      const { key, ...whole } = (await ledger.sums({ key: "k0" }))[0]!;
      expect([key, whole]).toEqual(["k0", await ledger.sum({ key: "k0" })]);
    });

    test("without receipts is zero", async () => {
      const ledger = await openLedger(place);
      const { receipts, flops } = await ledger.sum();
      expect([receipts, flops]).toEqual([0, { dense: 0, spent: 0, overhead: 0, saved: 0 }]);
      expect(await ledger.sums()).toEqual([]);
    });
  });
});

test.skipIf(!postgresPrograms)("Postgres tables of the last version keep their rows, and are summed", async () => {
  const sql = readFileSync(new URL("fixtures/postgres-1.sql", import.meta.url), "utf8");
  const old = JSON.stringify(oldReceipt());
  const place = await postgres!.database(`${sql}; INSERT INTO receipts (receipt) VALUES ('${old}')`);
  for (const _ of [1, 2]) {
    const ledger = await open(place);
    await ledger.add(slow);
    await checkSummed(ledger);
    await ledger.close();
  }
});

describe("a place", () => {
  test("that is missing gets neither folder nor file when it is read", async () => {
    const missing = join(folder, "missing", "x.db");
    await expect(open(missing, "read")).rejects.toThrow(`there is no ledger at ${missing}`);
    expect(existsSync(dirname(missing))).toBe(false);
  });

  test("that is an empty file stays empty when it is read", async () => {
    const empty = join(folder, "empty.db");
    writeFileSync(empty, "");
    await expect(open(empty, "read")).rejects.toThrow(`there is no ledger at ${empty}: the file is empty`);
    expect(statSync(empty).size).toBe(0);
  });

  test.each([
    ["mysql://me:secret@host/x", "mysql://…"],
    ["http://host/x.db", "http://…"],
    ["sqlite:///x.db", "sqlite://…"],
    ["", "nothing"],
  ])("%j is refused by its scheme, without its password", async (at, got) => {
    for (const purpose of ["read", "write"] as const)
      await expect(open(at, purpose)).rejects.toMatchObject({
        name: "UserError",
        exitCode: 2,
        message: `a ledger is a file or postgres://user@host/database, got ${got}`,
      });
  });
});

test("an empty ledger has no receipts and no place", async () => {
  const ledger = await emptyLedger();
  expect([await ledger.list(), (await ledger.sum()).receipts]).toEqual([[], 0]);
  expect(existsSync(":memory:")).toBe(false);
  await ledger.close();
});
