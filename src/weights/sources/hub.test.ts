import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { resolveInChild } from "./child.testing.ts";
import { randomBytes, sha256, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { modelFolder } from "./home.ts";
import { etagOf, gitOid, type HubOptions, type HubServed, serveHub, type TestHub } from "./hub.testing.ts";
import { listModels, removeModel, resolveModel } from "./index.ts";
import { keepModel } from "./store.ts";

const pace = { attempts: 3, delayMs: 10, stallMs: 20_000 };
const large = (body: Buffer, more: Partial<HubServed> = {}): HubServed => ({ body, large: true, ...more });
const small = (text: string): HubServed => ({ body: Buffer.from(text) });
const weights = randomBytes(300_000);
const gguf = randomBytes(200_000, 2);

/** A safetensors repository's files, some of which are not needed. */
const folder: Record<string, HubServed> = {
  ".gitattributes": small("*.safetensors filter=lfs"),
  "README.md": small("# Tiny"),
  "config.json": small('{"model_type":"llama"}'),
  "generation_config.json": small("{}"),
  "tokenizer.json": large(randomBytes(40_000, 3)),
  "chat_template.jinja": small("{{ messages }}"),
  "model.safetensors": large(weights),
  "pytorch_model.bin": large(randomBytes(100, 4)),
  "onnx/model.onnx": large(randomBytes(100, 5)),
};
const taken = ["chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];

const repoFolder = (): string => join(process.env["HF_HOME"]!, "hub", "models--org--tiny");
const snapshot = (hub: TestHub): string => join(repoFolder(), "snapshots", hub.commit);
const fetched = (hub: TestHub): string[] =>
  hub.requests.flatMap(({ path }) => /\/resolve\/[^/]+\/(.*)$/.exec(path)?.[1] ?? []);

async function failure(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).not.toContain("\n");
  return (error as UserError).message;
}

/** Checks that no reader finds a model or a model file in the cache; complete contents may remain. */
function expectNothing(): void {
  expect(existsSync(join(repoFolder(), "snapshots"))).toBe(false);
  expect(existsSync(join(repoFolder(), "refs"))).toBe(false);
  const blobs = join(repoFolder(), "blobs");
  for (const name of existsSync(blobs) ? readdirSync(blobs) : []) {
    const body = readFileSync(join(blobs, name));
    if (!name.endsWith(".part")) expect([sha256(body), gitOid(body)]).toContain(name);
  }
  expect(existsSync(join(modelFolder("hf:org/tiny"), "model.json"))).toBe(false);
}

/** The repository in another client's cache. */
function leaveInCache(hub: TestHub, names: readonly string[]): void {
  for (const name of names) {
    const file = hub.options.files[name]!;
    writeAt(join(repoFolder(), "blobs", etagOf(file)), file.body);
    const path = join(snapshot(hub), name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join("../../blobs", etagOf(file)), path);
  }
  writeAt(join(repoFolder(), "refs", "main"), hub.commit);
}

describe("a safetensors repository", () => {
  test("comes with what belongs to it, in the cache's layout that all clients share", async () => {
    const hub = await serveHub({ files: folder });
    const model = await resolveModel("hf:org/tiny", { pace });
    expect(model).toMatchObject({ name: "hf:org/tiny", path: snapshot(hub), source: "hf:org/tiny" });
    expect(readdirSync(model.path).sort()).toEqual(taken);
    expect(model.bytes).toBe(taken.reduce((sum, name) => sum + folder[name]!.body.length, 0));
    for (const name of taken) {
      expect(readlinkSync(join(model.path, name))).toBe(join("../../blobs", etagOf(folder[name]!)));
      expect(readFileSync(join(model.path, name)).equals(folder[name]!.body), name).toBe(true);
    }
    expect(readFileSync(join(repoFolder(), "refs", "main"), "utf8")).toBe(hub.commit);
    expect(fetched(hub).sort()).toEqual(taken);
    const before = hub.requests.length;
    expect(await resolveModel("hf:org/tiny")).toEqual(model);
    expect(await listModels()).toEqual([model]);
    expect(hub.requests.length, "a model that is here asks nobody").toBe(before);
  });

  test("in shards has its index, and one list of several pages", async () => {
    const shards = Object.fromEntries(
      [1, 2].map((i) => [`model-0000${i}-of-00002.safetensors`, large(randomBytes(9000, i))]),
    );
    const files = {
      "config.json": small("{}"),
      "model.safetensors.index.json": small("{}"),
      ...shards,
      "consolidated.safetensors": large(weights),
    };
    const hub = await serveHub({ files, page: 2 });
    const { path } = await resolveModel("hf:org/tiny", { pace });
    expect(readdirSync(path).sort()).toEqual(["config.json", ...Object.keys(shards), "model.safetensors.index.json"]);
    expect(fetched(hub)).not.toContain("consolidated.safetensors");
  });

  test("that another client fetched is not fetched again", async () => {
    const hub = await serveHub({ files: folder });
    leaveInCache(hub, taken);
    expect((await resolveModel("hf:org/tiny", { pace })).path).toBe(snapshot(hub));
    expect(fetched(hub)).toEqual([]);
  });

  test("that was damaged in place is mended by the one file that was", async () => {
    const hub = await serveHub({ files: folder });
    const { path } = await resolveModel("hf:org/tiny", { pace });
    hub.requests.length = 0;
    writeAt(join(path, "model.safetensors"), Buffer.alloc(weights.length));
    await resolveModel("hf:org/tiny", { pace });
    expect(fetched(hub)).toEqual(["model.safetensors"]);
    expect(readFileSync(join(path, "model.safetensors")).equals(weights)).toBe(true);
  });

  test("that another client fetched in part is completed", async () => {
    const hub = await serveHub({ files: folder });
    leaveInCache(hub, ["config.json", "model.safetensors"]);
    const { body } = folder["tokenizer.json"]!;
    writeAt(join(repoFolder(), "blobs", sha256(body)), body.subarray(0, 1000));
    await resolveModel("hf:org/tiny", { pace });
    expect(fetched(hub).sort()).toEqual(["chat_template.jinja", "generation_config.json", "tokenizer.json"]);
    expect(hub.storage["tokenizer.json"]!.starts).toEqual([1000]);
  });

  test("whose branch moved is fetched again when asked for, and only what changed", async () => {
    const hub = await serveHub({ files: folder });
    const first = await resolveModel("hf:org/tiny", { pace });
    await hub.publish({ ...folder, "config.json": small('{"model_type":"qwen2"}') });
    hub.requests.length = 0;
    expect(await resolveModel("hf:org/tiny", { pace })).toEqual(first);
    const second = await resolveModel("hf:org/tiny", { pace, refresh: true });
    expect(second.path).toBe(snapshot(hub));
    expect(fetched(hub)).toEqual(["config.json"]);
    expect(readFileSync(join(second.path, "config.json"), "utf8")).toContain("qwen2");
  });
});

describe("a GGUF repository", () => {
  const files = { "a-Q4_K_M.gguf": large(gguf), "b-Q8_0.gguf": large(weights), "config.json": small("{}") };

  test("with one file needs no name for it", async () => {
    const hub = await serveHub({ files: { "m.gguf": large(gguf), "README.md": small("x") } });
    const model = await resolveModel("hf:org/tiny", { pace });
    expect(model).toMatchObject({ path: join(snapshot(hub), "m.gguf"), bytes: gguf.length, sha256: sha256(gguf) });
    expect(readFileSync(model.path).equals(gguf)).toBe(true);
  });

  test("with several gives the one named", async () => {
    const hub = await serveHub({ files });
    const model = await resolveModel("hf:org/tiny@main:a-Q4_K_M.gguf", { pace });
    expect(model).toMatchObject({ name: "hf:org/tiny@main:a-Q4_K_M.gguf", path: join(snapshot(hub), "a-Q4_K_M.gguf") });
    expect(fetched(hub)).toEqual(["a-Q4_K_M.gguf"]);
  });

  test.each([
    ["hf:org/tiny", "org/tiny holds several models; name one of them: a-Q4_K_M.gguf, b-Q8_0.gguf"],
    ["hf:org/tiny:a-Q4_K_S.gguf", 'org/tiny has no file a-Q4_K_S.gguf; did you mean "a-Q4_K_M.gguf"?'],
    ["hf:org/tiny:weights-of-another-name", "its models are a-Q4_K_M.gguf, b-Q8_0.gguf"],
  ])("%s is refused with the names there are", async (spec, sentence) => {
    await serveHub({ files });
    expect(await failure(resolveModel(spec, { pace }))).toContain(sentence);
    expectNothing();
  });

  test("with a split file gives all its parts", async () => {
    const parts = [1, 2, 3].map((i) => [`q4/m-0000${i}-of-00003.gguf`, large(randomBytes(5000, i))] as const);
    const hub = await serveHub({ files: Object.fromEntries(parts) });
    const model = await resolveModel("hf:org/tiny", { pace });
    expect(model).toMatchObject({ path: join(snapshot(hub), parts[0]![0]), bytes: 15_000 });
    expect(fetched(hub)).toEqual(parts.map(([name]) => name));
  });
});

describe("a pickle is never fetched:", () => {
  test.each(["hf:org/tiny", "hf:org/tiny:pytorch_model.bin"])("%s", async (spec) => {
    const hub = await serveHub({ files: { "config.json": small("{}"), "pytorch_model.bin": large(weights) } });
    expect(await failure(resolveModel(spec, { pace }))).toMatch(
      /pytorch_model\.bin.* is a pickle, .*safe_serialization=True/,
    );
    expect(fetched(hub)).toEqual([]);
  });
});

describe("the token", () => {
  test("goes to the hub, and not to the host that it redirects to", async () => {
    const hub = await serveHub({ files: folder });
    withEnv({ HF_TOKEN: "hf_secret" });
    await resolveModel("hf:org/tiny", { pace });
    expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer hf_secret"]));
    expect(hub.storage["model.safetensors"]!.authorizations).toEqual([undefined]);
  });

  test("is also found where a login left it, and without any none is sent", async () => {
    const hub = await serveHub({ files: folder });
    await resolveModel("hf:org/tiny", { pace });
    expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
    writeAt(join(process.env["HF_HOME"]!, "token"), "hf_file\n");
    await resolveModel("hf:org/tiny", { pace, refresh: true });
    expect(hub.requests.at(-1)!.authorization).toBe("Bearer hf_file");
  });

  test("does not follow a list that goes on at another host", async () => {
    const other = await serveHub({ files: folder });
    await serveHub({ files: folder, page: 2, nextHost: other.url });
    withEnv({ HF_TOKEN: "hf_secret" });
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toMatch(
      /continues at 127\.0\.0\.1:\d+, another host; refused$/,
    );
    expect(other.requests).toEqual([]);
  });
});

describe("in one sentence, with nothing half-written:", () => {
  const refused = async (
    options: Partial<HubOptions>,
    sentence: string | RegExp,
    spec = "hf:org/tiny",
    at: Partial<typeof pace> = {},
  ) => {
    const hub = await serveHub({ files: folder, ...options });
    expect(await failure(resolveModel(spec, { pace: { ...pace, ...at } }))).toMatch(sentence);
    expectNothing();
    requested = fetched(hub);
  };
  let requested: string[] = [];
  const every = (status: number, code?: string) => ({ refusals: [{ path: /./, status, ...(code && { code }) }] });

  test("a repository that is not there", async () => {
    await refused(
      {},
      /^the hub has no repository org\/other \(HTTP 401\): it does not exist, or it is private and HF_TOKEN/,
      "hf:org/other",
    );
    await refused(every(404, "RepoNotFound"), /^the hub has no repository org\/tiny \(HTTP 404\)/);
  });

  test("a revision that is not there", () => refused({}, 'org/tiny has no revision "v9"', "hf:org/tiny@v9"));

  test("a file that is in the list and not there", () =>
    refused(
      { refusals: [{ path: /model\.safetensors/, status: 404, code: "EntryNotFound" }] },
      'the hub has no file org/tiny/model.safetensors at revision "main"',
    ));

  test("gated, without a token", () =>
    refused(
      { refusals: [{ path: /resolve/, status: 401, code: "GatedRepo" }] },
      /^org\/tiny is gated: accept its terms at http.*\/org\/tiny, and set HF_TOKEN to a token of your account$/,
    ));

  test("gated, with the token of an account that was not let in", async () => {
    await serveHub({ files: folder, ...every(403, "GatedRepo") });
    withEnv({ HF_TOKEN: "hf_secret" });
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toMatch(
      /^org\/tiny is gated: the account of the token in HF_TOKEN has no access; ask for it at /,
    );
  });

  test("a token that is not one", async () => {
    await serveHub({ files: folder, ...every(401) });
    withEnv({ HF_TOKEN: "nonsense" });
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toBe(
      "the hub refused the token in HF_TOKEN (HTTP 401) for org/tiny",
    );
  });

  test("forbidden", () => refused(every(403), "the hub refuses org/tiny (HTTP 403)"));

  test("too many requests, for good", () =>
    refused(
      every(429),
      /^cannot fetch org\/tiny from 127\.0\.0\.1:\d+: HTTP 429 Too Many Requests; check HF_ENDPOINT, which selects this hub$/,
    ));

  test("a server that fails, for good", () =>
    refused(every(502), /: HTTP 502 Bad Gateway; check HF_ENDPOINT, which selects this hub$/));

  test("storage that fails, for good", async () => {
    const failing = large(weights, { serving: { failures: Array(9).fill({ status: 503 }) } });
    await refused(
      { files: { ...folder, "model.safetensors": failing } },
      /^cannot fetch org\/tiny\/model\.safetensors from .*HTTP 503/,
    );
  });

  test("a connection cut before the first byte, every time", async () => {
    const cut = large(weights, { serving: { cuts: Array(9).fill(0) } });
    await refused(
      { files: { ...folder, "model.safetensors": cut } },
      /^cannot fetch org\/tiny\/model\.safetensors from .*: the connection was (closed|reset)$/,
    );
  });

  test("a slow loris", async () => {
    const slow = large(weights, { serving: { dripMs: 20 } });
    await refused(
      { files: { ...folder, "model.safetensors": slow } },
      /: (only \d+ bytes|nothing) came for 1 s; the 0\.0 MB fetched so far are kept/,
      "hf:org/tiny",
      { stallMs: 1000 },
    );
  });

  test("content of another hash, large and small", async () => {
    const wrong = large(weights, { claims: { oid: "ab".repeat(32) } });
    await refused(
      { files: { ...folder, "model.safetensors": wrong } },
      /^org\/tiny\/model\.safetensors from .* has SHA-256 [0-9a-f]{64}, expected abab.*; it was deleted$/,
    );
    const spoilt = { ...small("{}"), claims: { oid: "ab".repeat(20) } };
    await refused(
      { files: { "model.safetensors": large(weights), "config.json": spoilt } },
      /has Git SHA-1 [0-9a-f]{40}, expected abab/,
    );
  });

  test("a disk without room", async () => {
    const huge = large(weights, { claims: { size: 2 ** 52 } });
    await refused(
      { files: { ...folder, "model.safetensors": huge } },
      /^the disk of .* has [\d.]+ MB free, but hf:org\/tiny needs 45035996\d\d\.\d MB; free space on it$/,
    );
    expect(requested).toEqual([]);
  });

  test.each(["<html>sign in</html>", "{}", "[]", '{"sha":"main"}'])("an answer that is not the hub's: %s", (answer) =>
    refused(
      { answer },
      /^127\.0\.0\.1:\d+ answered about org\/tiny in an unexpected format; expected a Hugging Face hub$/,
    ),
  );

  test.each(["../../evil.json", "/etc/evil.json", "a\\..\\evil.json", "a/./evil.json", "a//evil.json"])(
    "a list with the path %s",
    (path) =>
      refused(
        { files: { ...folder, x: { ...small("{}"), claims: { path } } } },
        /in an unexpected format; expected a Hugging Face hub$/,
      ),
  );

  test("an invalid address", async () => {
    await serveHub({ files: folder });
    withEnv({ HF_ENDPOINT: "hub.example" });
    expect(await failure(resolveModel("hf:org/tiny"))).toBe(
      'HF_ENDPOINT is "hub.example", expected the address of a hub, such as https://host',
    );
  });
});

describe("what passes:", () => {
  test("429 with Retry-After, 503, and cut connections", async () => {
    const cuts = [100_000, 50_000, 20_000];
    const files = { ...folder, "model.safetensors": large(weights, { serving: { cuts } }) };
    const refusals = [
      { path: /revision/, status: 429, times: 1, headers: { "retry-after": "1" } },
      { path: /tree/, status: 503, times: 2 },
      { path: /resolve.*config/, status: 500, times: 1 },
    ];
    const hub = await serveHub({ files, refusals });
    const notices: string[] = [];
    const { path } = await resolveModel("hf:org/tiny", { pace, onNotice: (notice) => notices.push(notice) });
    expect(notices).toContainEqual(expect.stringMatching(/HTTP 429.*; trying again in 1\.0 s/));
    expect(readFileSync(join(path, "model.safetensors")).equals(weights)).toBe(true);
    expect(hub.storage["model.safetensors"]!.starts).toEqual([0, 100_000, 150_000, 170_000]);
  });
});

describe("without the hub", () => {
  test("HF_HUB_OFFLINE takes what another client fetched, and asks nobody", async () => {
    const hub = await serveHub({ files: folder });
    leaveInCache(hub, taken);
    withEnv({ HF_HUB_OFFLINE: "1" });
    const model = await resolveModel("hf:org/tiny");
    expect(model.path).toBe(snapshot(hub));
    expect(hub.requests).toEqual([]);
  });

  test("HF_HUB_OFFLINE and nothing here", async () => {
    await serveHub({ files: folder });
    withEnv({ HF_HUB_OFFLINE: "true" });
    expect(await failure(resolveModel("hf:org/tiny"))).toBe(
      "hf:org/tiny is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE); `modicum pull hf:org/tiny` fetches it",
    );
  });

  test("a hub that cannot be reached leaves what is here", async () => {
    const hub = await serveHub({ files: folder });
    await hub.close();
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toMatch(
      /^cannot fetch org\/tiny from .*: the connection was refused; check HF_ENDPOINT/,
    );
    leaveInCache(hub, taken);
    expect((await resolveModel("hf:org/tiny", { pace })).path).toBe(snapshot(hub));
  });
});

describe("a link out of the cache is refused:", () => {
  const outside = () => writeAt(join(tempFolder(), "secret.json"), "{}");

  test("a file of a snapshot", async () => {
    const hub = await serveHub({ files: folder });
    leaveInCache(
      hub,
      taken.filter((name) => name !== "config.json"),
    );
    symlinkSync(outside(), join(snapshot(hub), "config.json"));
    withEnv({ HF_HUB_OFFLINE: "1" });
    expect(await failure(resolveModel("hf:org/tiny"))).toMatch(
      /config\.json leads to .*secret\.json, outside the hub's cache; refused$/,
    );
  });

  test("a file of a model that was fetched before", async () => {
    await serveHub({ files: folder });
    const { path } = await resolveModel("hf:org/tiny", { pace });
    rmSync(join(path, "config.json"));
    symlinkSync(outside(), join(path, "config.json"));
    expect(await failure(resolveModel("hf:org/tiny"))).toContain("outside the hub's cache; refused");
    // The other models are still listed.
    writeAt(join(modelFolder("other"), "m.gguf"), "GGUF!");
    const hash = sha256(Buffer.from("GGUF!"));
    const other = await keepModel({ name: "other", file: "m.gguf", bytes: 5, sha256: hash, source: "pypi:x:m.gguf" });
    const [fine, spoilt] = (await listModels()).toSorted((a, b) => Number("fault" in a) - Number("fault" in b));
    expect(fine).toEqual(other);
    expect(spoilt).toMatchObject({ name: "hf:org/tiny", fault: expect.stringMatching(/outside the hub's cache/) });
  });

  test("a snapshot's folder, which is not written through", async () => {
    const hub = await serveHub({ files: folder });
    const elsewhere = tempFolder();
    mkdirSync(join(repoFolder(), "snapshots"), { recursive: true });
    symlinkSync(elsewhere, snapshot(hub));
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toContain("outside the hub's cache; refused");
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("the folder of blobs, which is not written through", async () => {
    await serveHub({ files: folder });
    const elsewhere = tempFolder();
    mkdirSync(repoFolder(), { recursive: true });
    symlinkSync(elsewhere, join(repoFolder(), "blobs"));
    expect(await failure(resolveModel("hf:org/tiny", { pace }))).toContain("outside the hub's cache; refused");
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("but the cache itself may lie behind one", async () => {
    const hub = await serveHub({ files: folder });
    const elsewhere = tempFolder();
    symlinkSync(elsewhere, process.env["HF_HOME"]!);
    expect((await resolveModel("hf:org/tiny", { pace })).path).toBe(snapshot(hub));
    expect(lstatSync(process.env["HF_HOME"]!).isSymbolicLink()).toBe(true);
  });
});

describe("removing", () => {
  test("takes the snapshot and its contents, and the repository with the last", async () => {
    const hub = await serveHub({ files: folder });
    await resolveModel("hf:org/tiny", { pace });
    writeFileSync(join(snapshot(hub), "notes.txt"), "another client's");
    await removeModel("hf:org/tiny");
    expect(await listModels()).toEqual([]);
    expect(readdirSync(snapshot(hub))).toEqual(["notes.txt"]);
    expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([]);
  });

  test("leaves what another snapshot shares", async () => {
    const hub = await serveHub({ files: folder });
    await resolveModel("hf:org/tiny", { pace });
    const old = snapshot(hub);
    await hub.publish({ ...folder, "config.json": small("{ }") });
    await resolveModel("hf:org/tiny", { pace, refresh: true });
    await removeModel("hf:org/tiny");
    expect(readFileSync(join(old, "model.safetensors")).equals(weights)).toBe(true);
    await hub.publish(folder);
    await resolveModel("hf:org/tiny", { pace });
    await removeModel("hf:org/tiny");
    expect(existsSync(repoFolder())).toBe(false);
  });
});

test("what was fetched in part can be removed", async () => {
  await serveHub({ files: { "m.gguf": large(gguf, { serving: { cuts: [50_000, 0, 0, 0] } }) } });
  expect(await failure(resolveModel("hf:org/tiny", { pace }))).toContain("fetched so far are kept");
  expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([`${sha256(gguf)}.part`]);
  await removeModel("hf:org/tiny");
  expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([]);
  await expect(removeModel("hf:org/tiny")).rejects.toThrow('no model called "hf:org/tiny" is downloaded');
});

describe("processes", () => {
  const big = randomBytes(1_000_000, 7);
  const env = () =>
    Object.fromEntries(["MODICUM_HOME", "HF_HOME", "HF_ENDPOINT"].map((key) => [key, process.env[key]!]));
  const bytesOf = (line: string): number => (line.startsWith("bytes ") ? Number(line.slice(6)) : 0);

  test("killed early, midway and late, each goes on where the last died, to the same bytes", async () => {
    const hub = await serveHub({ files: { "m.gguf": large(big) } });
    const storage = hub.storage["m.gguf"]!;
    const points = [100_000, 400_000, 900_000];
    for (const point of points) {
      storage.serving.holdAt = point;
      const child = resolveInChild("hf:org/tiny", env());
      await child.until((line) => bytesOf(line) === point);
      await child.kill("SIGKILL");
      expectNothing();
    }
    storage.serving.holdAt = undefined;
    const { path } = await resolveModel("hf:org/tiny", { pace });
    expect(storage.starts, "no byte came twice").toEqual([0, ...points]);
    expect(readFileSync(path).equals(big)).toBe(true);
    expect(readdirSync(join(repoFolder(), "blobs"))).toEqual([sha256(big)]);
  });

  test("that fetch one repository under two names fetch it once", async () => {
    const hub = await serveHub({ files: { "m.gguf": large(big, { serving: { holdAt: 500_000 } }) } });
    const storage = hub.storage["m.gguf"]!;
    const first = resolveInChild("hf:org/tiny", env());
    await first.until((line) => bytesOf(line) === 500_000);
    const second = resolveInChild("hf:org/tiny:m.gguf", env());
    await second.until((line) => line === "notice another process is fetching hf:org/tiny:m.gguf; waiting for it");
    storage.serving.holdAt = undefined;
    const [a, b] = await Promise.all([first, second].map((child) => child.until((line) => line.startsWith("done "))));
    expect(a).toBe(b);
    expect(storage.starts).toEqual([0]);
  });
});
