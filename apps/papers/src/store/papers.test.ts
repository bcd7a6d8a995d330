import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Postgres, postgresPrograms } from "../../../../src/ledger/postgres.testing.ts";
import { wishSchema } from "../mail/wish.ts";
import { type PaperInput, paperInputSchema } from "../paper.ts";
import { openStore, type Store } from "../store.ts";
import { openPostgres } from "./postgres.ts";

let postgres: Postgres | undefined;
beforeAll(async () => {
  if (postgresPrograms) postgres = await Postgres.start();
});
afterAll(() => postgres?.stop());

const places = [
  { kind: "SQLite", place: async () => ":memory:", is: true },
  { kind: "Postgres", place: () => postgres!.database(), is: postgresPrograms !== undefined },
];

describe.each(places.filter(({ is }) => is))("papers in $kind", ({ place }) => {
  let store: Store;
  beforeEach(async () => {
    store = await openStore(await place());
  });
  afterEach(() => store.close());

  const put = async (...papers: readonly PaperInput[]) =>
    store.papers.put(papers.map((paper) => paperInputSchema.parse(paper)));

  test("that are stored again change nothing", async () => {
    const paper = { title: "A Paper", abstract: "Words.", votes: 3, listed: "2025-12-10" };
    expect(await put(paper)).toEqual([{ id: "a-paper", change: "added" }]);
    expect(await put(paper)).toEqual([{ id: "a-paper", change: "unchanged" }]);
    expect(await store.papers.count()).toBe(1);
  });

  test("take unknown fields, and the larger of two counts, from a later source", async () => {
    await put({ title: "A Paper", votes: null, comments: 5, published: "2025-03-20", yearAssumed: true });
    const later = { title: "A  paper", abstract: "Words.", authors: ["A. B", "C. D"], votes: 3, comments: 2 };
    expect(await put({ ...later, published: "2024-03-20" })).toMatchObject([{ change: "changed" }]);
    expect(await store.papers.get("a-paper")).toMatchObject({
      ...{ title: "A Paper", abstract: "Words.", authors: ["A. B", "C. D"], authorCount: 2 },
      ...{ votes: 3, comments: 5, published: "2024-03-20", yearAssumed: false },
    });
  });

  test("get the address of their arXiv id once it is known; the old one leads there, with all marks", async () => {
    await put({ title: "A Paper", listed: "2025-12-10" });
    await store.readers.mark("reader", "a-paper", "save");
    await store.readers.tag("reader", "a-paper", "later");
    expect(await put({ title: "A Paper", arxiv: "2503.16428" })).toEqual([{ id: "2503.16428", change: "changed" }]);
    expect(await store.papers.get("a-paper")).toMatchObject({ id: "2503.16428", listed: "2025-12-10" });
    expect(await store.readers.marks("reader")).toEqual(new Map([["2503.16428", new Set(["save"])]]));
    expect(await store.readers.tags("reader")).toEqual(new Map([["2503.16428", new Set(["later"])]]));
    expect(await put({ title: "A Paper" })).toEqual([{ id: "2503.16428", change: "unchanged" }]);
  });

  test("with the same title and two arXiv ids are two papers", async () => {
    await put({ title: "Errata", arxiv: "2401.00001" }, { title: "Errata", arxiv: "2401.00002" });
    expect(await store.papers.count()).toBe(2);
  });

  test("become one when a source shows that they are", async () => {
    await put({ title: "Old Title", votes: 4 }, { title: "New Title", arxiv: "2401.00001", votes: 2 });
    await store.readers.mark("reader", "old-title", "vote");
    expect(await put({ title: "Old Title", arxiv: "2401.00001" })).toEqual([{ id: "2401.00001", change: "changed" }]);
    expect(await store.papers.count()).toBe(1);
    expect(await store.papers.get("old-title")).toMatchObject({ id: "2401.00001", votes: 4, readers: { votes: 1 } });
  });

  test("are listed by the days of their listings, the most wanted first", async () => {
    await put(
      { title: "A", listed: "2025-12-09", votes: 1 },
      { title: "B", listed: "2025-12-10", votes: 1 },
      { title: "C", listed: "2025-12-10", votes: 9 },
      { title: "D", published: "2025-12-10" },
    );
    await put({ title: "A", listed: "2025-12-10" });
    const titles = async (list: Parameters<typeof store.papers.list>[0]) =>
      (await store.papers.list(list)).map(({ title }) => title);
    expect(await titles({ from: "2025-12-10" })).toEqual(["C", "A", "B"]);
    expect(await titles({ to: "2025-12-09" })).toEqual(["A"]);
    expect(await titles({ limit: 2, offset: 2 })).toEqual(["B", "D"]);
    expect(await store.papers.days()).toEqual([
      { day: "2025-12-10", papers: 3 },
      { day: "2025-12-09", papers: 1 },
    ]);
  });

  test("trend by interest of any kind, which halves each week", async () => {
    const history = (title: string, votes: number | null, listed: string | null) => ({ title, votes, listed });
    await put(
      history("Now, 15", 15, "2025-12-10"),
      history("A week ago, 30", 30, "2025-12-03"),
      history("A week ago, 32", 32, "2025-12-03"),
      history("Two weeks ago, 64", 64, "2025-11-26"),
      history("Now, unknown", null, "2025-12-10"),
      history("Never listed", 1000, null),
    );
    const order = async () => (await store.papers.list()).map(({ title }) => title);
    const [before, unknown] = [await order(), "Now, unknown"];
    expect(before).toEqual([
      ...["A week ago, 32", "Two weeks ago, 64", "Now, 15", "A week ago, 30", unknown, "Never listed"],
    ]);
    for (const reader of ["one", "two"]) await store.readers.mark(reader, "now-15", "read");
    expect((await order())[0]).toBe("Now, 15");
    await put({ ...history(unknown, null, null), comments: 40 });
    expect((await order())[0]).toBe(unknown);
    await store.readers.mark("one", "a-week-ago-30", "save");
    expect((await order()).indexOf("A week ago, 30")).toBe(4);
  });

  test("count a reader's reloads once", async () => {
    await put({ title: "A", listed: "2025-12-10" });
    for (const reader of ["one", "one", "two"]) await store.readers.mark(reader, "a", "read");
    expect(await store.papers.get("a")).toMatchObject({ readers: { votes: 0, reads: 2 } });
  });

  test("have the marks of two readers once if a mailed link merges them", async () => {
    await put({ title: "A", listed: "2025-12-10" }, { title: "B" });
    const { accounts, readers, subscriptions } = store;
    const link = (now = 0) => subscriptions.token("sign-in", "ada@example.org", now);
    for (const reader of ["phone", "desk"])
      for (const kind of ["save", "vote", "read"] as const) await readers.mark(reader, "a", kind);
    await readers.mark("desk", "b", "save");
    for (const [reader, tag] of ["phone later", "desk later", "desk exits"].map((pair) => pair.split(" ")))
      await readers.tag(reader!, "a", tag!);
    await subscriptions.activate("ada@example.org", wishSchema.parse({ tags: ["exits"], reader: "desk" }));
    expect(await store.papers.get("a")).toMatchObject({ readers: { votes: 2, reads: 2 } });

    const first = await link();
    expect(await accounts.signIn(first, "phone", "phone-2", 3_600_001)).toBeUndefined();
    expect(await accounts.signIn(first, "phone", "phone-2", 3_600_000)).toBe("ada@example.org");
    expect(await accounts.signIn(first, "eve", "eve-2", 0)).toBeUndefined();
    expect(await accounts.signIn(await subscriptions.token("confirm", "x", 0), "eve", "eve-2", 0)).toBeUndefined();
    expect(await accounts.signIn(await link(), "desk", "desk-2", 0)).toBe("ada@example.org");

    const reader = await accounts.reader("desk-2");
    expect(await accounts.reader("phone-2")).toBe(reader);
    expect(await store.papers.get("a")).toMatchObject({ readers: { votes: 1, reads: 1 } });
    expect(await readers.marks(reader)).toEqual(
      new Map([
        ["a", new Set(["save", "vote", "read"])],
        ["b", new Set(["save"])],
      ]),
    );
    expect(await readers.tags(reader)).toEqual(new Map([["a", new Set(["exits", "later"])]]));
    expect((await subscriptions.of("ada@example.org"))?.wish).toMatchObject({ tags: ["exits"], reader });
    expect(await readers.marks("desk")).toEqual(new Map());

    await accounts.signOut("desk-2");
    expect(await accounts.reader("desk-2")).toBe("desk-2");
    expect(await accounts.address("desk-2")).toBeUndefined();
    expect(await accounts.address("phone-2")).toBe("ada@example.org");
  });

  test("lose the marks of a deleted account, whose address and reader are gone everywhere", async () => {
    await put({ title: "A" });
    const { accounts, outbox, readers, subscriptions } = store;
    const mail = (message: string, address: string, reader: string | null) =>
      outbox.add({
        ...{ message, address, period: message, at: 0 },
        content: { kind: "confirm", wish: wishSchema.parse({ reader, tags: ["later"] }) },
      });
    const signedIn = async (address: string, browser: string) => {
      await accounts.signIn(await subscriptions.token("sign-in", address, 0), `${browser}-before`, browser, 0);
      const reader = await accounts.reader(browser);
      const wish = wishSchema.parse({ reader, tags: ["later"] });
      await readers.mark(reader, "a", "vote");
      await readers.tag(reader, "a", "later");
      await subscriptions.activate(address, wish);
      await mail(`mail to ${address}`, address, null);
      return { reader, confirm: await subscriptions.token("confirm", JSON.stringify({ address, wish }), 0) };
    };
    const [ada, grace] = [await signedIn("ada@example.org", "desk"), await signedIn("grace@example.org", "other")];
    await accounts.signIn(await subscriptions.token("sign-in", "ada@example.org", 0), "p", "phone", 0);
    await subscriptions.activate("work@example.org", wishSchema.parse({ reader: ada.reader, tags: ["later"] }));
    await mail("mail by tags", "work@example.org", ada.reader);
    const unsubscribe = await subscriptions.token("unsubscribe", "ada@example.org", 0);

    expect(await accounts.remove("nobody")).toBeUndefined();
    expect(await accounts.remove("desk")).toBe("ada@example.org");
    expect(await accounts.remove("desk")).toBeUndefined();

    for (const browser of ["desk", "phone"]) expect(await accounts.reader(browser)).toBe(browser);
    expect([await readers.marks(ada.reader), await readers.tags(ada.reader)]).toEqual([new Map(), new Map()]);
    expect(await store.papers.get("a")).toMatchObject({ readers: { votes: 1 } });
    expect((await subscriptions.active()).map(({ address }) => address)).toEqual(["grace@example.org"]);
    expect((await outbox.due(0)).map(({ message }) => message)).toEqual(["mail to grace@example.org"]);
    expect(await subscriptions.subject("confirm", ada.confirm, 0)).toBeUndefined();
    expect(await subscriptions.subject("unsubscribe", unsubscribe, 0)).toBeUndefined();
    expect(await subscriptions.subject("confirm", grace.confirm, 0)).toBeDefined();
    expect(await accounts.address("other")).toBe("grace@example.org");
  });

  test("wait for a task until they are done, even if they are gone", async () => {
    await put({ title: "A" }, { title: "B" });
    await store.papers.done("papers", await store.papers.pending("papers", 9));
    await put({ title: "A", arxiv: "2401.00001" });
    expect(await store.papers.pending("papers", 9)).toEqual(["2401.00001", "a"]);
    expect(await store.papers.pending("papers-words", 9)).toHaveLength(3);
  });
});

test.runIf(postgresPrograms)("papers in Postgres from before accounts existed get them", async () => {
  const place = await postgres!.database();
  await (await openStore(place)).close();
  const db = await openPostgres(place);
  await db.rows("DROP TABLE accounts; DROP TABLE browsers; UPDATE papers_schema SET version = 1");
  await db.close();
  const store = await openStore(place);
  expect(await store.accounts.reader("browser")).toBe("browser");
  await store.close();
});
