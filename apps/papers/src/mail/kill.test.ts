import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { paperInputSchema } from "../paper.ts";
import { openStore } from "../store.ts";
import { Mailing } from "./mail.ts";
import { SmtpTesting } from "./smtp.testing.ts";
import { wishSchema } from "./wish.ts";

const script = fileURLToPath(new URL("round.testing.ts", import.meta.url));
const NOON = Date.parse("2026-11-27T12:00:00Z");
const MINUTE = 60_000;

test("a digest whose process is killed while the server has its text is unknown, and never sent again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-mail-"));
  const [smtp, store] = [await SmtpTesting.start(), await openStore(join(folder, "papers.db"))];
  await store.papers.put([paperInputSchema.parse({ title: "A Paper", listed: "2025-12-10" })], NOON - MINUTE);
  await store.subscriptions.activate("ada@example.org", wishSchema.parse({}));

  const child = spawn(process.execPath, ["--import", "tsx", script, join(folder, "papers.db"), smtp.url, String(NOON)]);
  const ended = once(child, "exit");
  smtp.onText = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  expect(await ended).toEqual([null, "SIGKILL"]);
  smtp.onText = async () => {};
  expect(await store.outbox.counts()).toEqual({ waiting: 0, unknown: 1, sent: 0, refused: 0 });

  const mailing = new Mailing(store, { smtp: smtp.url, from: "papers@example.org", url: "https://papers.example.org" });
  for (const minute of [1, 600])
    expect(await mailing.round(NOON + minute * MINUTE)).toMatchObject({ sent: 0, unknown: 0 });
  expect(smtp.mails).toHaveLength(1);
  await store.close();
  await smtp.stop();
  rmSync(folder, { recursive: true });
}, 60_000);
