/** Audits of certified answers on a live server: when they disable a certificate, and their cost. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Auditor } from "../library/auditor.ts";
import { auditState, keepAudit, switchOn } from "../savings/auto/audit-state.ts";
import {
  type Certificate,
  certificateHash,
  keepCertificate,
  readCertificate,
  switchCertificate,
} from "../savings/auto/certificate.ts";
import { certificateOf } from "../savings/auto/fixture.testing.ts";
import { modelHash, resolveModel } from "../weights/sources/index.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-audit-"));
let model = "";
let server: Testing;

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  model = await modelHash(await resolveModel(TINY[0]!.slice("tiny=".length)));
  server = await serveModels([TINY[0]!], { audit: 1 });
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

/** Stores a certificate for this model. Exiting at the first layer changes the model's answers; `lookup` does not. */
const keep = (name: string, recipe: string, over: Partial<Certificate> = {}) =>
  keepCertificate(name, certificateOf(recipe, { model, loss: "nats", type: "unit", ...over }));

/** The number of answers audited before `lossy` was switched off; switching it on again resets its state. */
let untilOff = 0;

let calls = 0;
const words = ["house", "tree", "river", "stone", "cloud", "bird", "road", "light"];
/** A prompt that no other request uses. */
const prompt = () => {
  const n = calls++;
  return `once upon a time there was a ${words[n % 8]} and a ${words[(n >> 3) % 8]} by the ${words[(n >> 6) % 8]}`;
};
const ask = async (name: string, to = server, fields: object = {}) => {
  const body = { model: "tiny", prompt: prompt(), max_tokens: 4, temperature: 0, savings: [`auto:${name}`], ...fields };
  return (await jsonOf(post(to, "/v1/completions", body))).receipt;
};

/** Resolves once this many answers of a certificate have been audited. */
async function audited(name: string, count: number): Promise<void> {
  while (auditState(name).count < count) await new Promise((resolve) => setImmediate(resolve));
}

test("audits that a stopping server interrupts are recorded before it has stopped", async () => {
  await keep("stopped", "lookup:match=2,tokens=4");
  const stopping = await serveModels([TINY[0]!], { audit: 1 });
  await Promise.all(Array.from({ length: 8 }, () => ask("stopped", stopping)));
  await stopping.stop(0);
  expect(auditState("stopped").count).toBe(8);
});

test("answers that lose more than certified switch the certificate off, for the next request, in log and metrics", async () => {
  await keep("lossy", "exit:layer=1,fill=copy-kv");
  let receipt = await ask("lossy");
  let count = 0;
  while (receipt.guarantee !== null) {
    await audited("lossy", ++count);
    receipt = await ask("lossy");
  }
  expect(receipt).toMatchObject({ recipe: [], unguaranteed: "off" });
  untilOff = count;
  // The certificate is off before the server logs it.
  while (!server.logged.some((line) => line.includes("a certificate is off: its answers lose too much")))
    await new Promise((resolve) => setImmediate(resolve));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('modicum:recipe_off{certificate="lossy"} 1');
  const [, wealth] = /modicum:audit_wealth\{certificate="lossy"\} (\S+)/.exec(metrics)!;
  expect(Number(wealth)).toBeGreaterThanOrEqual(20);
  await switchOn("lossy");
  expect(auditState("lossy")).toMatchObject({ wealth: 1, count: 0 });
  expect((await ask("lossy")).guarantee).not.toBeNull();
  await audited("lossy", 1);
});

test("answers equal to dense's leave it on, and its wealth only falls", async () => {
  await keep("exact", "lookup:match=2,tokens=4");
  for (let i = 1; i <= 40; i++) {
    expect((await ask("exact")).guarantee).not.toBeNull();
    await audited("exact", i);
  }
  expect(auditState("exact")).toMatchObject({ count: 40, failed: 0 });
  expect(auditState("exact").wealth).toBeLessThanOrEqual(1 + 1e-6);
});

test("an audit has its own receipt, which sums leave out by default", async () => {
  const receipts = async (query: string) => jsonOf(fetch(`${server.url}/v1/receipts?limit=1000${query}`));
  const auditsOf = ({ data }: { data: readonly { purpose?: string }[] }) =>
    data.filter(({ purpose }) => purpose === "audit");
  const all = untilOff + auditState("lossy").count + auditState("exact").count;
  let plain = await receipts("");
  while (auditsOf(plain).length < all) plain = await receipts("");
  expect((await receipts("&audits=true")).sum.receipts - plain.sum.receipts).toBe(auditsOf(plain).length);
  const [audit] = auditsOf(plain);
  expect(audit).toMatchObject({ recipe: [], model: "tiny" });
  expect(audit).not.toHaveProperty("key");
});

test("the wealth survives a restart, and starts afresh with another certificate of the name", async () => {
  const before = auditState("exact");
  const again = await serveModels([TINY[0]!], { audit: 1 });
  const metrics = await (await fetch(`${again.url}/metrics`)).text();
  expect(metrics).toContain(`modicum:audit_wealth{certificate="exact"} ${before.wealth}`);
  expect(metrics).toContain('modicum:recipe_off{certificate="exact"} 0');
  await ask("exact", again);
  await audited("exact", before.count + 1);
  await again.stop(0);
  await keep("exact", "lookup:match=2,tokens=4", { risk: 0.1 });
  expect(auditState("exact")).toMatchObject({ count: 0, wealth: 1 });
});

test("each request that begins a conversation is drawn, one of its answers, and none without a guarantee", async () => {
  await keep("once", "lookup:match=2,tokens=4");
  const same = { prompt: "once upon a time there was a fox and a hen" };
  await ask("once", server, { ...same, n: 3 });
  await audited("once", 1);
  await ask("once", server, same);
  await audited("once", 2);
  await switchCertificate("once", false);
  await ask("once");
  await switchCertificate("once", true);
  await ask("once");
  await audited("once", 3);
  expect(auditState("once").count).toBe(3);
});

test("a conversation is drawn once, however many turns it has, and two with the same beginning are two", async () => {
  const file = path.join(home, "chats.gguf");
  writeFileSync(file, tinyWithTemplate("{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"));
  const chats = await serveModels([`chats=${file}`], { audit: 1 });
  const hash = await modelHash(await resolveModel(file));
  await keep("turns", "lookup:match=2,tokens=4", { model: hash, prompt: "chat" });
  type Message = { role: string; content: string };
  const chat = async (messages: readonly Message[]): Promise<Message> => {
    const fields = { model: "chats", messages, max_tokens: 4, temperature: 0, savings: ["auto:turns"] };
    const { choices, receipt } = await jsonOf(post(chats, "/v1/chat/completions", fields));
    expect(receipt.guarantee).not.toBeNull();
    return choices[0].message;
  };
  const user = (content: string) => ({ role: "user", content });
  const begin = user("once upon a time there was a house");
  const examples = [user("a tree by the river"), { role: "assistant", content: "a stone" }];
  const one = [begin, await chat([begin])];
  const two = [begin, await chat([begin])];
  one.push(user("and a bird"), await chat([...one, user("and a bird")]));
  await chat([...one, user("and a road")]);
  await chat([...two, user("and a cloud")]);
  // Examples before a question do not count as earlier turns of its conversation.
  for (const question of ["a light?", "a bird?"]) await chat([...examples, user(question)]);
  await audited("turns", 4);
  await chats.stop(0);
  expect(auditState("turns").count).toBe(4);
});

test("a certificate that no audit can bet against is skipped, and the log says so once", async () => {
  const recipe = "lookup:match=2,tokens=4";
  await keepCertificate(
    "penalty",
    certificateOf(recipe, { model, sampling: { repetitionPenalty: 1.05 }, loss: "nats" }),
  );
  for (const _ of [1, 2]) expect((await ask("penalty", server, { repetition_penalty: 1.05 })).guarantee).not.toBeNull();
  await keep("after", recipe);
  await ask("after");
  await audited("after", 1);
  expect(auditState("penalty").count).toBe(0);
  expect(server.logged.filter((line) => line.includes("without penalties"))).toHaveLength(1);
});

test("an answer under a replaced certificate does not count against the new one", async () => {
  const recipe = "lookup:match=2,tokens=4";
  await keep("swapped", recipe);
  const sha256 = certificateHash(readCertificate("swapped"));
  await keep("swapped", recipe, { risk: 0.1 });
  const replaced = "auto:swapped: the certificate was replaced before an answer under it was audited";
  await expect(keepAudit("swapped", sha256, 1)).rejects.toThrow(replaced);
  const faults: string[] = [];
  const auditor = new Auditor({ share: 1, onFault: (_, fault) => void faults.push(fault) });
  const answered = { certificate: "swapped", sha256, model: "tiny", prompt: [1], answer: [2] };
  // No model runs, since the check comes first.
  await auditor.replay(answered, undefined as never, undefined as never);
  expect(faults).toEqual([replaced]);
  expect(auditState("swapped")).toMatchObject({ count: 0, wealth: 1 });
});

test("a model is unloaded even if one of its answers waits for an audit, which then counts as failed", async () => {
  await keep("brief", "lookup:match=2,tokens=4");
  await ask("brief", server, { keep_alive: 0 });
  await audited("brief", 1);
  expect((await ask("brief")).guarantee).not.toBeNull();
  // Nothing is written after the folder is removed.
  await audited("brief", 2);
});
