import { afterEach, beforeEach, expect, test } from "vitest";
import { Mailing } from "../src/mail/mail.ts";
import { readable } from "../src/mail/smtp.testing.ts";
import { createSite } from "./app.tsx";
import { openSite, Visitor } from "./site.testing.ts";

const ADA = "ada@example.org";
const MINUTE = 60_000;

let site: Awaited<ReturnType<typeof openSite>>;
beforeEach(async () => {
  site = await openSite(["Early exits", "Sparse attention"].map((title) => ({ title, listed: "2025-12-10" })));
});
afterEach(() => site.close());

/** The path of the newest mailed link. */
const newestLink = () => /\/account\/enter\?token=[\w-]+/.exec(readable(site.post.mails.at(-1)!.raw))![0];

async function mailedLink(minutes = 0, address = ADA): Promise<string> {
  const now = Date.now() + minutes * MINUTE;
  await site.mailing.askSignIn(address, now);
  await site.mailing.round(now);
  return newestLink();
}

async function signIn(visitor: Visitor, link: string): Promise<number> {
  await visitor.get(link);
  return (await visitor.post(link, {})).status;
}

const saved = async (visitor: Visitor) =>
  [...(await visitor.get("/saved")).text.matchAll(/<article id="paper-([^"]+)"/g)].map(([, id]) => id).sort();

async function savedBy(...ids: readonly string[]): Promise<Visitor> {
  const visitor = site.visitor();
  await visitor.get("/");
  for (const id of ids) for (const mark of ["on:save", "on:vote"]) await visitor.post(`/papers/${id}/marks`, { mark });
  return visitor;
}

test("a mailed link makes two browsers one reader, whose marks count once; signing out creates a new one", async () => {
  const [desk, phone] = [await savedBy("early-exits"), await savedBy("early-exits", "sparse-attention")];
  await desk.get("/account");
  const answer = await desk.post("/account", { address: " Ada@Example.org" });
  expect(await answer.text()).toContain("Check your mailbox");
  await site.mailing.round();
  expect(site.post.mails.map(({ to }) => to)).toEqual([ADA]);
  expect(await signIn(desk, newestLink())).toBe(303);
  expect((await desk.get("/account")).text).toContain("signed in as ada@example.org");
  expect(await signIn(phone, await mailedLink(11))).toBe(303);
  for (const browser of [desk, phone]) expect(await saved(browser)).toEqual(["early-exits", "sparse-attention"]);
  expect(await site.papers.store.papers.get("early-exits")).toMatchObject({ readers: { votes: 1 } });

  await phone.get("/account");
  expect((await phone.post("/account/leave", {})).status).toBe(303);
  expect(await saved(phone)).toEqual([]);
  expect((await phone.get("/account")).text).toContain("Mail me a link");
  expect(await saved(desk)).toEqual(["early-exits", "sparse-attention"]);
  expect(site.faults).toEqual([]);
});

test("viewing a link does not use it up; it works once, by a form of ours, and a dead one changes nothing", async () => {
  const [reader, thief] = [await savedBy("early-exits"), await savedBy("sparse-attention")];
  const link = await mailedLink();
  for (let i = 0; i < 2; i++) expect((await site.visitor().get(link)).text).toContain("Sign in as ada@example.org");
  expect((await site.visitor().post(link, {})).status).toBe(403);
  await reader.get(link);
  expect((await reader.post(link, { token: "x" })).status).toBe(403);
  expect((await reader.post(link, {})).status).toBe(303);
  expect((await thief.get(link)).status).toBe(404);
  const again = await thief.post(link, {});
  expect([again.status, again.headers.get("set-cookie")]).toEqual([404, null]);
  expect(await saved(thief)).toEqual(["sparse-attention"]);
  expect(await saved(reader)).toEqual(["early-exits"]);
});

test("a cookie from before signing in, or from before signing out, no longer works", async () => {
  const cookies: string[] = [];
  const app = createSite(site.site, () => {});
  const visitor = new Visitor((path, init) => {
    cookies.push(new Headers(init.headers).get("cookie")!);
    return app.request(path, init);
  });
  await visitor.get("/");
  await visitor.post("/papers/early-exits/marks", { mark: "on:save" });
  await signIn(visitor, await mailedLink());
  expect(await saved(visitor)).toEqual(["early-exits"]);
  await visitor.get("/account");
  await visitor.post("/account/leave", {});
  const old = [...new Set(cookies.filter((cookie) => cookie !== ""))];
  expect(old).toHaveLength(2);
  for (const cookie of old)
    expect(await (await app.request("/saved", { headers: { cookie } })).text()).toContain("You saved nothing yet");
});

test("a browser that changes accounts takes nothing from one into the other", async () => {
  const visitor = await savedBy("early-exits");
  await signIn(visitor, await mailedLink());
  const link = await mailedLink(0, "grace@example.org");
  expect((await visitor.get(link)).text).toContain("leaves the account of ada@example.org");
  await visitor.post(link, {});
  expect(await saved(visitor)).toEqual([]);
  await signIn(visitor, await mailedLink(11));
  expect(await saved(visitor)).toEqual(["early-exits"]);
});

test("an account is deleted after confirmation, by a form of ours, with the data of all its browsers", async () => {
  const [desk, phone, other] = [await savedBy("early-exits"), await savedBy(), await savedBy("early-exits")];
  expect((await site.visitor().get("/account/delete")).status).toBe(303);
  await signIn(desk, await mailedLink());
  await signIn(phone, await mailedLink(11));
  const { papers, mailing } = site;
  await mailing.subscribe(ADA, {});
  await mailing.round();
  const confirm = /confirm\?token=([\w-]+)/.exec(readable(site.post.mails.at(-1)!.raw))![1]!;
  expect(await mailing.confirm(confirm)).toBeDefined();

  expect((await desk.get("/account")).text).toContain('href="/account/delete"');
  expect((await desk.get("/account/delete")).text).toMatch(
    /<button class="danger" type="submit">\s*Delete the account of ada@example.org/,
  );
  expect((await desk.post("/account/delete", { token: "x" })).status).toBe(403);
  expect(await saved(phone)).toEqual(["early-exits"]);
  await desk.get("/account/delete");
  expect(await (await desk.post("/account/delete", {})).text()).toContain(
    "Everything that names ada@example.org has been deleted from the database.",
  );

  for (const browser of [desk, phone]) expect(await saved(browser)).toEqual([]);
  expect((await phone.get("/account")).text).toContain("Mail me a link");
  expect(await saved(other)).toEqual(["early-exits"]);
  expect(await papers.store.papers.get("early-exits")).toMatchObject({ readers: { votes: 1 } });
  expect(await papers.store.subscriptions.of(ADA)).toBeUndefined();
  expect(await papers.store.outbox.to(ADA, "sign-in")).toEqual([]);
  expect((await phone.post("/account/delete", {})).headers.get("location")).toBe("/account");
  expect(site.faults).toEqual([]);
});

test("the answer and the mail are the same for a known and an unknown address; requests are limited", async () => {
  await signIn(site.visitor(), await mailedLink());
  const visitor = site.visitor();
  await visitor.get("/account");
  const ask = async (address: string) => (await visitor.post("/account", { address })).text();
  const [known, unknown] = [await ask(ADA), await ask("grace@example.org")];
  expect(known).toBe(unknown);
  expect(await ask("grace@example.org")).toBe(unknown);
  await site.mailing.round();
  expect(site.post.mails.map(({ to }) => to)).toEqual([ADA, "grace@example.org"]);
  const words = site.post.mails.map(({ raw }) => readable(raw).match(/^Somebody.*$/m)?.[0]);
  expect(words[0]).toBe(words[1]);
  expect(await ask("nobody")).toContain("expected an address such as");
  for (let i = 0; i < 5; i++) site.site.limits.subscribe.wait("client");
  expect((await visitor.post("/account", { address: ADA })).status).toBe(429);
});

test("without mail the page says so, and shows no form", async () => {
  const mailing = new Mailing(site.papers.store, {});
  const app = createSite({ ...site.site, mailing }, () => {});
  const { text } = await new Visitor((path, init) => app.request(path, init)).get("/account");
  expect(text).toContain("Signing in needs mail. Mail is off: links in mail need an https address");
  expect(text).not.toContain("Mail me a link");
});
