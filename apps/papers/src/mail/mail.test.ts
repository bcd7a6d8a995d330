import type { Receipt } from "modicum";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { paperInputSchema } from "../paper.ts";
import { openStore, type Store } from "../store.ts";
import { digestFor } from "./digest.ts";
import { Mailing } from "./mail.ts";
import { readable, SmtpTesting, type Step } from "./smtp.testing.ts";
import { hashOf } from "./tokens.ts";
import { type WishInput, wishSchema } from "./wish.ts";

const ADDRESS = "ada@example.org";
const MINUTE = 60_000;
const NOON = Date.parse("2026-11-27T12:00:00Z");
const DAY = 24 * 60 * MINUTE;

let smtp: SmtpTesting;
let store: Store;
let mailing: Mailing;
const notices: string[] = [];
beforeAll(async () => {
  smtp = await SmtpTesting.start();
});
afterAll(() => smtp.stop());

beforeEach(async () => {
  store = await openStore(":memory:");
  mailing = new Mailing(
    store,
    { smtp: smtp.url, from: "papers@example.org", url: "https://papers.example.org" },
    (it) => notices.push(it),
  );
  await list("First Paper", "Second Paper");
});
afterEach(async () => {
  await store.close();
  smtp.mails.splice(0);
  notices.splice(0);
  smtp.trouble = undefined;
});

const list = (...titles: readonly string[]) =>
  store.papers.put(
    titles.map((title) =>
      paperInputSchema.parse({ title, abstract: `About <b>${title}</b>.`, listed: "2025-12-10", authorCount: 3 }),
    ),
    NOON - DAY,
  );
const tokenIn = (raw: string) => /token=([\w-]+)/.exec(readable(raw))![1]!;

const active = (wish: WishInput = {}) => store.subscriptions.activate(ADDRESS, wishSchema.parse(wish));
const digests = () => store.outbox.to(ADDRESS, "digest");

describe("a subscription", () => {
  test("begins when its address is confirmed, by a link that works for two days", async () => {
    await mailing.subscribe(" Ada@Example.org ", { frequency: "weekly", most: 3 }, NOON);
    expect(await mailing.round(NOON)).toMatchObject({ sent: 1 });
    expect(smtp.mails).toMatchObject([{ to: ADDRESS }]);
    expect(await store.subscriptions.active()).toEqual([]);
    const token = tokenIn(smtp.mails[0]!.raw);
    expect(await mailing.confirm(`${token}x`, NOON)).toBeUndefined();
    expect(await mailing.confirm(token, NOON + 3 * DAY)).toBeUndefined();
    expect(await mailing.confirm(token, NOON)).toMatchObject({ frequency: "weekly", most: 3 });
    expect(await store.subscriptions.active()).toMatchObject([{ address: ADDRESS }]);
  });

  test("is unique for an address, whose owner is asked once in ten minutes", async () => {
    await active();
    for (const minute of [1, 2, 10]) await mailing.subscribe("ADA@example.org", { most: 5 }, NOON + minute * MINUTE);
    await mailing.round(NOON + 10 * MINUTE);
    const confirmations = smtp.mails.filter(({ raw }) => raw.includes("Confirm"));
    expect(confirmations).toHaveLength(1);
    await mailing.confirm(tokenIn(confirmations[0]!.raw), NOON + 10 * MINUTE);
    expect(await store.subscriptions.active()).toMatchObject([{ wish: { most: 5 } }]);
  });

  test("is asked to be confirmed at once while mail runs", async () => {
    const stop = new AbortController();
    const came = new Promise<void>((resolve) => {
      smtp.onText = async () => resolve();
    });
    const running = mailing.run(stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    await mailing.subscribe(ADDRESS, {});
    await came;
    stop.abort();
    await running;
    smtp.onText = async () => {};
    expect(smtp.mails).toMatchObject([{ to: ADDRESS }]);
  });

  test.each(["ada", "ada@example.org\r\nBcc: eve@example.org", ""])("refuses the address %j", async (address) => {
    await expect(mailing.subscribe(address, {})).rejects.toThrow("expected an address such as");
  });

  test("is off without an https address of the pages, and says so", async () => {
    const off = new Mailing(store, { smtp: smtp.url, from: "papers@example.org", url: "http://papers.example.org" });
    expect(off.off).toBe("Mail is off: links in mail need an https address of these pages, set by --url.");
    await expect(off.subscribe(ADDRESS, {})).rejects.toThrow("Mail is off");
  });
});

describe("a digest", () => {
  test("has papers, its receipt, and a link that ends the subscription with one click", async () => {
    await active();
    await mailing.round(NOON);
    const mail = readable(smtp.mails[0]!.raw);
    expect(smtp.mails).toMatchObject([{ to: ADDRESS }]);
    expect(mail).toContain("Subject: Daily papers: 2 papers, First Paper");
    expect(mail).toContain("https://papers.example.org/papers/first-paper");
    expect(mail).toContain("Receipt: no model ran for these papers.");
    expect(mail).toContain("List-Unsubscribe-Post: List-Unsubscribe=One-Click");
    expect(mail).toMatch(/List-Unsubscribe: <https:\/\/papers\.example\.org\/unsubscribe\?token=[\w-]+>/);
    expect(mail).toContain("About <b>First Paper</b>.");
    expect(mail).toContain("About &lt;b&gt;First Paper&lt;/b&gt;.");
    expect(await mailing.unsubscribe(tokenIn(smtp.mails[0]!.raw), NOON)).toBe(true);
    await list("Third Paper");
    await mailing.round(NOON + 2 * DAY);
    expect(smtp.mails).toHaveLength(1);
  });

  test("reports what the models of the pages have spent since the last digest", async () => {
    const flops = { dense: 4e9, spent: 1e9, overhead: 0, saved: 0.75 };
    await store.receipts.add("index", { id: "r1", flops } as Receipt, null, NOON - MINUTE);
    await store.receipts.add("search", { id: "r2", flops } as Receipt, null, NOON - MINUTE);
    await active();
    await mailing.round(NOON);
    expect(readable(smtp.mails[0]!.raw)).toMatch(/Receipt r1: .* took 1\.00 GFLOPs, 75 % less than the 4\.00 without/);
  });

  test("is sent once per period, with papers that were not known before", async () => {
    await active();
    for (const minute of [0, 1, 600]) await mailing.round(NOON + minute * MINUTE);
    expect(smtp.mails).toHaveLength(1);
    await mailing.round(NOON + DAY);
    expect(smtp.mails).toHaveLength(1);
    const third = paperInputSchema.parse({ title: "Third Paper", listed: "2025-12-11" });
    await store.papers.put([third], NOON + DAY);
    for (const minute of [1, 2]) await mailing.round(NOON + DAY + minute * MINUTE);
    expect(smtp.mails.slice(1).map(({ raw }) => readable(raw))).toEqual([expect.stringContaining("Third Paper")]);
  });

  test("has only papers of the chosen topics and tags, up to the chosen number", async () => {
    await store.topics.put(new Map([["second-paper", { label: "exits", score: 2.5 }]]));
    await store.readers.tag("reader", "first-paper", "later");
    const wished = async (wish: WishInput) => {
      await active(wish);
      const content = await digestFor(store, (await store.subscriptions.of(ADDRESS))!);
      return content?.kind === "digest" ? content.papers : [];
    };
    expect(await wished({ topics: ["exits"] })).toEqual(["second-paper"]);
    expect(await wished({ tags: ["later"], reader: "reader" })).toEqual(["first-paper"]);
    expect(await wished({ topics: ["exits"], tags: ["later"], reader: "reader" })).toEqual([]);
    expect(await wished({ most: 1 })).toHaveLength(1);
  });

  test.each<[Step, number | "break", string, number]>([
    ["connect", "break", "waiting", 1],
    ["connect", 421, "waiting", 1],
    ["sender", 550, "waiting", 1],
    ["recipient", 450, "waiting", 1],
    ["recipient", "break", "waiting", 1],
    ["recipient", 550, "refused", 0],
    ["text", 451, "waiting", 1],
    ["text", 554, "refused", 0],
    ["text", "break", "unknown", 0],
  ])("whose server fails at the %s with %s is %s; later rounds send it %d times", async (at, code, state, times) => {
    await active();
    smtp.trouble = { at, code };
    await mailing.round(NOON);
    expect(await digests()).toMatchObject([{ state }]);
    expect(notices).toHaveLength(1);
    smtp.trouble = undefined;
    const { message } = (await digests())[0]!;
    for (const minute of [1, 600]) await mailing.round(NOON + minute * MINUTE);
    expect(smtp.mails).toHaveLength(times);
    if (times === 1) expect(readable(smtp.mails[0]!.raw)).toContain(`Message-ID: <${message}>`);
    expect((await store.subscriptions.of(ADDRESS))!.state).toBe(state === "refused" ? "stopped" : "active");
  });

  test("waits with growing delays for a server that is away", async () => {
    await active();
    smtp.trouble = { at: "connect", code: 421 };
    const waits: number[] = [];
    for (let now = NOON; waits.length < 3; now += waits.at(-1)!) {
      await mailing.round(now);
      waits.push((await digests())[0]!.next - now);
    }
    expect(waits.map((ms) => ms / MINUTE)).toEqual([1, 2, 4]);
  });

  test("is marked before its text is sent, so that two processes send it once", async () => {
    await active();
    const states: string[] = [];
    smtp.onText = async () => void states.push((await digests())[0]!.state);
    const other = new Mailing(store, { smtp: smtp.url, from: "papers@example.org", url: "https://papers.example.org" });
    await Promise.all([mailing.round(NOON), other.round(NOON)]);
    smtp.onText = async () => {};
    expect(states).toEqual(["unknown"]);
    expect(smtp.mails).toHaveLength(1);
    expect(await store.outbox.counts()).toEqual({ waiting: 0, unknown: 0, sent: 1, refused: 0 });
  });
});

test("an address that is not confirmed is deleted after two days", async () => {
  await mailing.subscribe(ADDRESS, {}, NOON);
  await mailing.round(NOON);
  expect(await store.outbox.to(ADDRESS, "confirm")).toHaveLength(1);
  await mailing.round(NOON + 3 * DAY);
  expect(await store.outbox.to(ADDRESS, "confirm")).toEqual([]);
});

test("only hashes of tokens are stored", async () => {
  await mailing.subscribe(ADDRESS, {}, NOON);
  await mailing.round(NOON);
  const token = tokenIn(smtp.mails[0]!.raw);
  expect(await store.subscriptions.subject("confirm", token, NOON)).toContain(ADDRESS);
  expect(await store.subscriptions.subject("confirm", hashOf(token), NOON)).toBeUndefined();
});
