import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { jsonOf, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { Access, checkBind } from "./access.ts";
import { KeyStore } from "./store.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const newStore = () => new KeyStore(path.join(folder, `${count++}`, "keys.json"));

const request = (headers: Record<string, string> = {}, url = "http://server.example/v1/models") =>
  new Request(url, { headers });
const keyed = (secret: string) => request({ authorization: `Bearer ${secret}` });
const status = async (access: Access, request: Request, scope: "infer" | "admin") =>
  access.check(request, { scope }).then(
    () => 200,
    (error: { status: number }) => error.status,
  );

describe("keys", () => {
  test("are stored only as hashes, in a file that only its owner reads", async () => {
    const store = newStore();
    const { secret, key } = await store.create("team", ["infer"]);
    expect(secret).toMatch(/^mk-[\w-]{43}$/);
    expect(readFileSync(store.file, "utf8")).not.toContain(secret.slice(3));
    expect(statSync(store.file).mode & 0o777).toBe(0o600);
    expect(await store.find(secret)).toEqual(key);
    expect(await store.find(`${secret}x`)).toBeUndefined();
  });

  test.each([
    ["", "expected a name that is not empty"],
    ["  ", "expected a name that is not empty"],
    ["x".repeat(101), "has 101 characters; the limit is 100"],
    ["a\x1b[31m", "expected no control characters"],
    ["two\nlines", "expected no control characters"],
  ])("have no names like %j", async (name, sentence) => {
    const store = newStore();
    await expect(store.create(name, ["infer"])).rejects.toThrow(`"name": ${sentence}`);
    expect(await store.list()).toEqual([]);
    await store.create("x".repeat(100), ["infer"]);
  });

  test("that another process creates or revokes count at once", async () => {
    const store = newStore();
    const other = new KeyStore(store.file);
    expect(await store.list()).toEqual([]);
    const { secret, key } = await other.create("team", ["infer"]);
    expect(await store.find(secret)).toEqual(key);
    await other.revoke("team");
    expect(await store.find(secret)).toBeUndefined();
  });

  test("have unique names", async () => {
    const store = newStore();
    const { key } = await store.create("team", ["infer"]);
    const sentence = `name: there is a key "team" (${key.id}); expected another name`;
    await expect(store.create("team", ["admin"])).rejects.toThrow(sentence);
    expect(await store.list()).toEqual([key]);
  });

  test("are revoked by id or by a unique name", async () => {
    const store = newStore();
    const { key } = await store.create("same", ["infer"]);
    // Older versions allowed keys with the same name.
    const other = { ...key, id: "other" };
    writeFileSync(store.file, JSON.stringify([key, other]));
    await expect(store.revoke("same")).rejects.toThrow('2 keys are named "same"; expected an id');
    await store.revoke(key.id);
    expect(await store.list()).toEqual([other]);
    await expect(store.revoke("none")).rejects.toThrow('there is no key "none"');
  });

  test.each(["{", '[{"id":1}]'])("a file without keys, %s, is reported in one sentence", async (text) => {
    const file = path.join(folder, "broken.json");
    writeFileSync(file, text);
    await expect(new KeyStore(file).list()).rejects.toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringContaining(file) }),
    );
  });
});

test("a server that others can reach needs keys, or permission to run without", async () => {
  const store = newStore();
  const at = (host: string, allowAnonymous = false) => checkBind(store, { host, allowAnonymous });
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1"]) await at(host);
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "127.example.org"])
    await expect(at(host)).rejects.toThrow(`${host} can be reached from other machines, and there are no keys`);
  await at("0.0.0.0", true);
  await store.create("team", ["infer"]);
  await at("0.0.0.0");
});

describe("the callers' permissions", () => {
  test("anonymous requests may only infer, if they may do anything", async () => {
    const access = new Access(newStore(), { host: "0.0.0.0", allowAnonymous: true });
    expect(await status(access, request(), "infer")).toBe(200);
    expect(await status(access, request(), "admin")).toBe(403);
    expect(await status(access, keyed("whatever"), "infer")).toBe(200);
  });

  test("a wrong key is refused even if none is needed, once there are keys", async () => {
    const store = newStore();
    await store.create("team", ["infer"]);
    const access = new Access(store, { host: "0.0.0.0", allowAnonymous: true });
    expect(await status(access, keyed("wrong"), "infer")).toBe(401);
    expect(await status(access, request(), "infer")).toBe(200);
  });

  test("on loopback without keys, a foreign page whose name resolves here is refused", async () => {
    const access = new Access(newStore(), { host: "127.0.0.1", allowAnonymous: false });
    expect(await status(access, request(), "infer")).toBe(403);
    expect(await status(access, request({}, "http://localhost:1/v1/models"), "admin")).toBe(200);
    expect(await status(access, request({}, "http://[::1]:1/v1/models"), "infer")).toBe(200);
  });
});

describe("behind a proxy", () => {
  const PROXIED = { host: "127.0.0.1", allowHosts: ["server.example"] };

  test("a request under the proxy's name is authorised by its key, or without one if that is allowed", async () => {
    const store = newStore();
    const { secret } = await store.create("team", ["infer"]);
    const [closed, open] = [false, true].map((allowAnonymous) => new Access(store, { ...PROXIED, allowAnonymous }));
    expect(await status(closed!, keyed(secret), "infer")).toBe(200);
    expect(await status(closed!, request(), "infer")).toBe(401);
    expect(await status(open!, request(), "infer")).toBe(200);
    expect(await status(open!, request({}, "http://other.example/v1/models"), "infer")).toBe(403);
  });

  test("nobody is an admin without a key, and the server needs keys or permission to run without", async () => {
    const store = newStore();
    const access = new Access(store, { ...PROXIED, allowAnonymous: true });
    for (const url of ["http://server.example/metrics", "http://localhost/metrics"])
      expect(await status(access, request({}, url), "admin")).toBe(403);
    const local = await access.check(request({}, "http://localhost/v1/models"), { scope: "infer" });
    expect(local.admin).toBe(false);
    await expect(checkBind(store, { ...PROXIED, allowAnonymous: false })).rejects.toThrow(
      "server.example can be reached from other machines, and there are no keys",
    );
    await checkBind(store, { ...PROXIED, allowAnonymous: true });
  });

  test("a refused name comes with advice", async () => {
    const access = new Access(newStore(), { host: "127.0.0.1", allowAnonymous: true });
    await expect(access.check(request(), { scope: "infer" })).rejects.toThrow(
      'refused Host "server.example": use localhost or send a key, or start with --allow-host server.example',
    );
  });
});

describe("a server that had keys", () => {
  const LOCAL = "http://localhost:1/v1/models";

  test.each([
    ["are all revoked", (keys: KeyStore) => keys.revoke("only")],
    ["lose their file", async ({ file }: KeyStore) => rmSync(file)],
  ])("remains closed when they %s, and opens to the next", async (_, lose) => {
    const keys = newStore();
    await keys.create("only", ["infer"]);
    const access = new Access(keys, { host: "127.0.0.1", allowAnonymous: false });
    await checkBind(keys, { host: "127.0.0.1", allowAnonymous: false });
    await lose(keys);
    await expect(access.check(request({}, LOCAL), { scope: "admin" })).rejects.toThrow(
      "API key required, but all keys are revoked; create one or restart",
    );
    expect(await status(access, keyed("mk-x"), "infer")).toBe(401);
    const { secret } = await keys.create("new", ["infer"]);
    expect(await status(access, keyed(secret), "infer")).toBe(200);
  });
});

describe("a damaged file", () => {
  const damaged = "the server's own files cannot be read at the moment";

  test("of keys is the server's fault, reported without its place, and /health answers", async () => {
    const server = await serveModels(TINY.slice(0, 1));
    writeFileSync(server.keys.file, "[{");
    const response = await fetch(`${server.url}/v1/models`);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([503, damaged]);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(server.logged.join("")).toContain(JSON.stringify(server.keys.file).slice(1, -1));
    await server.stop(0);
  });

  test("of recipes is treated the same", async () => {
    const home = mkdtempSync(path.join(folder, "home-"));
    vi.stubEnv("MODICUM_HOME", home);
    const server = await serveModels(TINY.slice(0, 1));
    writeFileSync(path.join(home, "recipes.json"), "{ no");
    const response = await fetch(`${server.url}/v1/recipes`);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([503, damaged]);
    await server.stop(0);
    vi.unstubAllEnvs();
  });
});

describe("over HTTP", () => {
  let server: Testing;
  let keys: Record<"infer" | "admin" | "revoked", string>;
  beforeAll(async () => {
    server = await serveModels(TINY.slice(0, 1));
    const make = async (name: string, scope: "infer" | "admin") => (await server.keys.create(name, [scope])).secret;
    keys = { infer: await make("a", "infer"), admin: await make("b", "admin"), revoked: await make("c", "infer") };
    await server.keys.revoke("c");
  });
  afterAll(() => server.stop(0));

  type Case = [path: string, key: keyof typeof keys | string | undefined, status: number, sentence?: RegExp];
  test.each<Case>([
    ["/health", undefined, 200],
    ["/openapi.json", undefined, 200],
    ["/v1/models", undefined, 401, /^API key required; send it in/],
    ["/v1/models", "infer", 200],
    ["/v1/models", "admin", 200],
    ["/v1/models", "revoked", 401, /^unknown API key/],
    ["/v1/models", "mk-wrong", 401, /^unknown API key/],
    ["/v1/receipts", "infer", 200],
    ["/v1/receipts/x", "infer", 404, /^there is no receipt x/],
    ["/v1/receipts", "admin", 200],
    ["/metrics", "infer", 403],
    ["/metrics", "admin", 200],
    ["/v1/models?api_key=mk-wrong", "infer", 401, /^an API key in the URL ends up in logs/],
  ])("%s with the key %s: %i", async (at, key, status, sentence = /./) => {
    const secret = key && (key in keys ? keys[key as keyof typeof keys] : key);
    const response = await fetch(server.url + at, { headers: secret ? { authorization: `Bearer ${secret}` } : {} });
    const text = await response.text();
    expect(response.status).toBe(status);
    if (status !== 200) expect(JSON.parse(text).error.message).toMatch(sentence);
    expect(text + server.logged.join("")).not.toContain(keys.infer);
  });

  test.each<[path: string, key: keyof typeof keys | undefined, status: number]>([
    ["/health", undefined, 200],
    ["/ready", undefined, 200],
    ["/docs", undefined, 403],
    ["/v1/models", undefined, 403],
    ["/v1/models", "infer", 200],
  ])("%s under an unlisted proxy's Host, with the key %s: %i", async (at, key, status) => {
    const headers = { host: "api.example.org", ...(key && { authorization: `Bearer ${keys[key]}` }) };
    const pending = get(server.url + at, { headers });
    const [response] = (await once(pending, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status);
  });

  test("another form of authorization is refused in one sentence", async () => {
    const response = await fetch(`${server.url}/v1/models`, { headers: { authorization: "Basic eDp5" } });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  });
});
