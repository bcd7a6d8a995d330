import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import * as digests from "./digest.ts";
import { type Download, download } from "./download.ts";
import { sha256, tempFolder, writeAt } from "./helpers.testing.ts";
import { type Serving, serve } from "./server.testing.ts";

const MiB = 2 ** 20;
const lane = 16 * MiB;
/** Slightly more bytes than three lanes hold. */
const body = randomFillSync(Buffer.alloc(3 * lane + 12_345));
const digest = digests.sha256(sha256(body));
const pace = { attempts: 3, delayMs: 10, stallMs: 20_000 };

async function setUp(serving: Partial<Serving> = {}, job: Partial<Download> = {}) {
  const server = await serve({ body, piece: MiB, ...serving });
  const to = join(tempFolder(), "m.bin");
  return { server, job: { url: server.url, to, digest, pace, ...job }, whole: () => readFileSync(to).equals(body) };
}

describe("a large file", () => {
  test("comes over several connections at once, and is put together in order", async () => {
    const seen: number[] = [];
    const { server, job, whole } = await setUp({ paceMs: 2 }, { onProgress: (done) => seen.push(done) });
    let most = 0;
    server.serving.onOpen = (open) => {
      most = Math.max(most, open);
    };
    await download(job);
    expect(whole()).toBe(true);
    expect([...server.starts].sort((a, b) => a - b)).toEqual([0, lane, 2 * lane, 3 * lane]);
    expect(most).toBe(4);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(body.length);
  });

  test.each([1, lane - 1, lane, lane + 1, body.length - 1])("is gone on with from byte %i", async (held) => {
    const { server, job, whole } = await setUp();
    writeAt(`${job.to}.part`, body.subarray(0, held));
    await download(job);
    expect(whole()).toBe(true);
    expect(Math.min(...server.starts)).toBe(held);
  });

  test("survives cuts, refusals and a wait on any of its connections", async () => {
    const notices: string[] = [];
    const { job, whole } = await setUp(
      {
        cuts: [5 * MiB, 3 * MiB, 1, 9 * MiB, 0],
        failures: [undefined, undefined, { status: 429, headers: { "retry-after": "0" } }, undefined, { status: 503 }],
      },
      { onNotice: (sentence) => notices.push(sentence) },
    );
    await download(job);
    expect(whole()).toBe(true);
    expect(notices.join()).toMatch(/HTTP 429/);
  });

  test("that is refused halfway keeps the beginning, and leaves no connection open", async () => {
    const { server, job, whole } = await setUp({ failures: [undefined, { status: 403 }, undefined, { status: 404 }] });
    await expect(download(job)).rejects.toThrow(UserError);
    const part = readFileSync(`${job.to}.part`);
    expect(part.length).toBeGreaterThanOrEqual(lane);
    expect(part.equals(body.subarray(0, part.length))).toBe(true);
    await expect.poll(() => server.open()).toBe(0);
    server.serving.failures = [];
    await download(job);
    expect(whole()).toBe(true);
  });
});
