import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { UserError } from "../../util/errors.ts";
import type { Pace } from "./connection.ts";
import * as digests from "./digest.ts";
import { type Download, download } from "./download.ts";
import { randomBytes, sha256, tempFolder, writeAt } from "./helpers.testing.ts";
import { type Serving, serve, type TestServer } from "./server.testing.ts";

const body = randomBytes(500_000);
const pace: Pace = { attempts: 3, delayMs: 10, stallMs: 20_000 };

async function setUp(serving: Partial<Serving> = {}, job: Partial<Download> = {}) {
  const server = await serve({ body, ...serving });
  const folder = tempFolder();
  const notices: string[] = [];
  const whole: Download = {
    url: server.url,
    to: join(folder, "m.bin"),
    digest: digests.sha256(sha256(body)),
    pace,
    onNotice: (sentence) => notices.push(sentence),
    ...job,
  };
  return { server, folder, notices, job: whole, part: `${whole.to}.part` };
}

afterEach(() => void vi.useRealTimers());

const host = (server: TestServer): string => new URL(server.url).host;

async function failure(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

function writeFrom(path: string, buffer: Uint8Array, offset: number, length: number, position: number): void {
  const file = openSync(path, "r+");
  writeSync(file, buffer, offset, length, position);
  closeSync(file);
}

describe("a whole file", () => {
  test.each([
    ["from a plain server", {}],
    ["from one that knows no ranges", { ranges: false }],
    ["from one that knows neither ranges nor the length", { ranges: false, length: false }],
  ])("%s", async (_name, serving) => {
    const { job, folder, server } = await setUp(serving);
    await download(job);
    expect(readFileSync(job.to).equals(body)).toBe(true);
    expect(readdirSync(folder)).toEqual(["m.bin"]);
    expect(server.starts).toEqual([0]);
  });

  test("is not fetched again, but checked", async () => {
    const { job, server } = await setUp();
    writeAt(job.to, body);
    await download(job);
    expect(server.starts).toEqual([]);
    writeAt(job.to, body.subarray(0, 100_000));
    await download(job);
    expect(server.starts).toEqual([100_000]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });

  test("progress rises from what is there to the total", async () => {
    const seen: [number, number][] = [];
    const { job, part } = await setUp({}, { onProgress: (done, total) => seen.push([done, total]) });
    writeAt(part, body.subarray(0, 200_000));
    await download(job);
    expect(seen[0]![0]).toBeGreaterThan(200_000);
    expect(seen.at(-1)).toEqual([body.length, body.length]);
    expect(seen).toEqual([...seen].sort((a, b) => a[0] - b[0]));
    expect(seen.every(([, total]) => total === body.length)).toBe(true);
  });
});

describe("a part left by an earlier run", () => {
  test.each([1, 16_384, 499_999])("of %i bytes is gone on from, none fetched twice", async (length) => {
    const { job, part, server } = await setUp();
    writeAt(part, body.subarray(0, length));
    await download(job);
    expect(server.starts).toEqual([length]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });

  test("that is whole needs no request", async () => {
    const { job, part, server } = await setUp();
    writeAt(part, body);
    await download(job);
    expect(server.starts).toEqual([]);
    expect(existsSync(job.to)).toBe(true);
  });

  test("is dropped where the server knows no ranges", async () => {
    const { job, part, server } = await setUp({ ranges: false });
    writeAt(part, randomBytes(1000, 2));
    await download(job);
    expect(server.starts).toEqual([1000]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });

  test("that is spoiled fails the hash, and the file is fetched once more", async () => {
    const { job, part, server, notices } = await setUp();
    writeAt(part, randomBytes(1000, 2));
    await download(job);
    expect(server.starts).toEqual([1000, 0]);
    expect(notices).toEqual(["m.bin does not match its hash after resuming; fetching it from the start"]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });

  test.each([body.length, body.length + 7])("of %i bytes, beyond what there is, is dropped", async (length) => {
    const { job, part } = await setUp();
    writeAt(part, randomBytes(length, 2));
    await download(job);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });
});

describe("a connection that drops", () => {
  test("is taken up again where it broke, as often as it brings something", async () => {
    const { job, server, notices } = await setUp({ cuts: [100_000, 50_000, 16_384, 1, 30_000] });
    await download(job);
    expect(server.starts).toEqual([0, 100_000, 150_000, 166_384, 166_385, 196_385]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
    expect(notices[0]).toMatch(/^cannot fetch m\.bin from 127\.0\.0\.1:\d+: .*; trying again in 0\.0 s$/);
  });

  test("before the first byte, every time, is given up", async () => {
    const { job, server, folder } = await setUp({ cuts: [0, 0, 0, 0, 0, 0] });
    const sentence = await failure(download(job));
    expect(sentence).toMatch(/^cannot fetch m\.bin from 127\.0\.0\.1:\d+: the connection was (closed|reset)$/);
    expect(server.starts).toHaveLength(pace.attempts);
    expect(existsSync(join(folder, "m.bin"))).toBe(false);
  });

  test("midway, every time, of a server without ranges is given up", async () => {
    const { job, server } = await setUp({ ranges: false, cuts: Array(20).fill(100_000) });
    expect(await failure(download(job))).toMatch(
      /the [\d.]+ MB fetched so far are kept, and the next try continues from there$/,
    );
    expect(server.starts.length).toBeLessThan(20);
  });

  test("by silence is noticed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { job, server } = await setUp({ holdAt: 49_152 }, { pace: { ...pace, stallMs: 1000 } });
    const onProgress = (done: number) => done === 49_152 && server.serving.holdAt && vi.advanceTimersByTime(1000);
    const onNotice = (sentence: string) => {
      expect(sentence).toContain("nothing came for 1 s");
      server.serving.holdAt = undefined;
    };
    await download({ ...job, onNotice, onProgress });
    expect(server.starts).toEqual([0, 49_152]);
  });

  test("a slow server is not a silent one", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const piece = 50_000;
    const onProgress = (done: number) => {
      if (done !== server.serving.holdAt) return;
      vi.advanceTimersByTime(900);
      server.serving.holdAt += piece;
    };
    const { job, server } = await setUp({ holdAt: piece }, { onProgress, pace: { ...pace, stallMs: 1000 } });
    await download(job);
    expect(server.starts).toEqual([0]);
  });

  test("a host that is not there", async () => {
    const { job } = await setUp();
    const { url, close } = await serve({ body });
    await close();
    expect(await failure(download({ ...job, url }))).toMatch(
      /^cannot fetch m\.bin from 127\.0\.0\.1:\d+: the connection was refused$/,
    );
    expect(await failure(download({ ...job, url: "http://no-such-host.invalid/m.bin" }))).toMatch(
      /^cannot fetch m\.bin from no-such-host\.invalid: no (such host, or no )?network/,
    );
  });
});

describe("a refusal", () => {
  test.each([404, 403, 410, 401])("HTTP %i ends it at once", async (status) => {
    const { job, server } = await setUp({ failures: Array(9).fill({ status }) });
    expect(await failure(download(job))).toMatch(new RegExp(`^${host(server)} refused m\\.bin: HTTP ${status} \\w+`));
    expect(server.starts).toEqual([0]);
  });

  test.each([429, 500, 503, 408])("HTTP %i passes, and what was fetched stays", async (status) => {
    const { job, part, server } = await setUp({ failures: [{ status }, { status }] });
    writeAt(part, body.subarray(0, 5000));
    await download(job);
    expect(server.starts).toEqual([5000, 5000, 5000]);
  });

  test("HTTP 500 for good is given up", async () => {
    const { job, part } = await setUp({ failures: Array(9).fill({ status: 500 }) });
    writeAt(part, body.subarray(0, 250_000));
    expect(await failure(download(job))).toMatch(
      /: HTTP 500 Internal Server Error; the 0\.3 MB fetched so far are kept, and the next try continues from there$/,
    );
  });

  test("Retry-After is kept to", async () => {
    const { job, notices } = await setUp({ failures: [{ status: 429, headers: { "retry-after": "1" } }] });
    await download(job);
    expect(notices).toEqual([expect.stringContaining("; trying again in 1.0 s")]);
  });
});

test("a wrong hash deletes the file and names both", async () => {
  const { job, folder, server } = await setUp({}, { digest: digests.sha256("12".repeat(32)) });
  expect(await failure(download(job))).toBe(
    `m.bin from ${host(server)} has SHA-256 ${sha256(body)}, expected ${"12".repeat(32)}; it was deleted`,
  );
  expect(readdirSync(folder)).toEqual([]);
  expect(server.starts).toEqual([0]);
});

describe("an abort", () => {
  test("midway keeps the part, says so, and the next run goes on from it", async () => {
    const stop = new AbortController();
    const onProgress = (done: number) => done === 160_000 && stop.abort();
    const { job, part, server } = await setUp({ holdAt: 160_000 }, { signal: stop.signal, onProgress });
    const error: unknown = await download(job).catch((error) => error);
    expect(error).toMatchObject({
      name: "AbortError",
      message:
        "the download of m.bin was interrupted; the 0.2 MB fetched so far are kept, and the next try continues from there",
    });
    expect(readFileSync(part).equals(body.subarray(0, 160_000))).toBe(true);
    server.serving.holdAt = undefined;
    await download({ ...job, signal: undefined, onProgress: undefined });
    expect(server.starts).toEqual([0, 160_000]);
  });

  test("while waiting to try again", async () => {
    const stop = new AbortController();
    const { job } = await setUp(
      { failures: [{ status: 503 }] },
      { signal: stop.signal, onNotice: () => stop.abort(), pace: { ...pace, delayMs: 60_000 } },
    );
    await expect(download(job)).rejects.toThrow("the download of m.bin was interrupted");
  });

  test("before it began", async () => {
    const { job, server } = await setUp({}, { signal: AbortSignal.abort() });
    await expect(download(job)).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(server.starts).toEqual([]);
  });
});

describe("the disk", () => {
  test("without room for the file and what follows is told of beforehand", async () => {
    const { job, part } = await setUp({}, { reserve: 2 ** 60 });
    expect(await failure(download(job))).toMatch(
      /^the disk of .* has [\d.]+ MB free, but m\.bin needs [\d.]+ MB; free space on it$/,
    );
    expect(readFileSync(part)).toHaveLength(0);
  });

  test("full in the middle is one sentence, and what was written is gone on from when there is room", async () => {
    const { job, part, server } = await setUp();
    const file = await open(job.to, "w");
    const write = vi.spyOn(Object.getPrototypeOf(file) as FileHandle, "write");
    await file.close();
    await rm(job.to);
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    let room = 123_456;
    // Writes may be partial; a full disk accepts what fits, then fails the next write.
    write.mockImplementation(async (...[buffer, offset, length, position]: unknown[]) => {
      const bytesWritten = Math.min(length as number, room, 5000);
      if (bytesWritten === 0) throw full;
      room -= bytesWritten;
      writeFrom(part, buffer as Uint8Array, offset as number, bytesWritten, position as number);
      return { bytesWritten, buffer: buffer as string };
    });
    const sentence = await failure(download(job));
    write.mockRestore();
    expect(sentence).toBe(`cannot write ${part}: the disk is full; free space on it`);
    expect(readFileSync(part).equals(body.subarray(0, 123_456))).toBe(true);
    await download(job);
    expect(server.starts).toEqual([0, 123_456]);
    expect(readFileSync(job.to).equals(body)).toBe(true);
  });

  test("with a file in the place of the folder", async () => {
    const { job, folder } = await setUp();
    writeAt(join(folder, "f"), "");
    expect(await failure(download({ ...job, to: join(folder, "f", "m.bin") }))).toMatch(/^cannot write .*f: /);
  });
});
