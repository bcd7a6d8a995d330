import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { afterAll, beforeAll, test } from "vitest";
import { paperInputSchema } from "../paper.ts";
import { openStore } from "../store.ts";
import { Mailing } from "./mail.ts";
import type { KilledAt } from "./round.testing.ts";
import { readable, SmtpTesting } from "./smtp.testing.ts";
import { wishSchema } from "./wish.ts";

const NOON = Date.parse("2026-11-27T12:00:00Z");
const MINUTE = 60_000;
const ADDRESSES = ["ada@example.org", "grace@example.org"];
const ROOT = join(import.meta.dirname, "..", "..", "..", "..");

const folder = mkdtempSync(join(tmpdir(), "modicum-mail-"));
const script = join(folder, "round.mjs");

/** The script includes only the library code that sending needs, and starts in a fraction of the time. */
const needed: Plugin = {
  name: "needed",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^(modicum|\..*\.ts)$/ }, ({ path, resolveDir }) => ({
      path: path === "modicum" ? join(ROOT, "src", "index.ts") : join(resolveDir, path),
      sideEffects: false,
    })),
};

beforeAll(async () => {
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await build({
    entryPoints: [join(import.meta.dirname, "round.testing.ts")],
    ...{ bundle: true, platform: "node", target: "node20", format: "esm", packages: "external" },
    ...{ plugins: [needed], outfile: script },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const openAt = async (step: KilledAt) => openStore(join(folder, `${step}.db`));

/** Runs a process that sends digests to two subscribers and is killed at a step of the first. Returns its signal. */
async function killed(step: KilledAt, smtp: SmtpTesting): Promise<unknown> {
  const store = await openAt(step);
  await store.papers.put([paperInputSchema.parse({ title: "A Paper", listed: "2025-12-10" })], NOON - MINUTE);
  for (const address of ADDRESSES) await store.subscriptions.activate(address, wishSchema.parse({}));
  await store.close();
  const child = spawn(process.execPath, [script, join(folder, `${step}.db`), smtp.url, String(NOON), step], {
    stdio: "inherit",
  });
  const ended = once(child, "exit");
  if (step === "held")
    smtp.onText = async () => {
      child.kill("SIGKILL");
      await ended;
    };
  const [, signal] = await ended;
  smtp.onText = async () => {};
  return signal;
}

test.concurrent.for<{ step: KilledAt; begun: number; whole: number; unknown: number }>([
  { step: "accepted", begun: 0, whole: 0, unknown: 0 },
  { step: "marked", begun: 0, whole: 0, unknown: 1 },
  { step: "half", begun: 1, whole: 0, unknown: 1 },
  { step: "held", begun: 1, whole: 1, unknown: 1 },
  { step: "taken", begun: 1, whole: 1, unknown: 1 },
])(
  "a digest whose process is killed at the step $step is sent at most once, and reported if it may have been",
  async ({ step, ...expected }, { expect }) => {
    const smtp = await SmtpTesting.start();
    expect(await killed(step, smtp)).toBe("SIGKILL");
    await expect
      .poll(() => ({ begun: smtp.begun, whole: smtp.mails.length }))
      .toMatchObject({
        begun: expected.begun,
        whole: expected.whole,
      });

    const store = await openAt(step);
    const { waiting, unknown } = await store.outbox.counts();
    expect({ waiting, unknown }).toEqual({ waiting: 2 - expected.unknown, unknown: expected.unknown });
    const notices: string[] = [];
    const options = { smtp: smtp.url, from: "papers@example.org", url: "https://papers.example.org" };
    const mailing = new Mailing(store, options, (sentence) => notices.push(sentence));
    expect(await mailing.round(NOON + MINUTE)).toMatchObject({ sent: 2 - expected.unknown });
    expect(await mailing.round(NOON + 600 * MINUTE)).toMatchObject({ sent: 0 });
    expect(await store.outbox.counts()).toMatchObject({ waiting: 0, unknown: expected.unknown });
    expect(notices).toHaveLength(expected.unknown);
    for (const notice of notices) expect(notice).toContain("it may or may not have been sent, and is not sent again");

    const receivers = smtp.mails.map(({ to }) => to);
    expect(receivers).toHaveLength(2 - expected.unknown + expected.whole);
    expect(new Set(receivers).size).toBe(receivers.length);
    expect(new Set(smtp.mails.map(({ raw }) => /^Message-ID: .*$/m.exec(readable(raw))![0])).size).toBe(
      receivers.length,
    );
    await store.close();
    await smtp.stop();
  },
);
