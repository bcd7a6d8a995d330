import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { importSource } from "../import.ts";
import { openStore } from "../store.ts";
import { isPublic } from "./addresses.ts";
import { Fetcher } from "./fetch.ts";
import { retryAfter } from "./patience.ts";

const atom = `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2503.16428v1</id>
  <title>XAttention</title><summary>Words.</summary><published>2025-03-20T00:00:00Z</published></entry></feed>`;

/** A fake of the sites, on loopback, which records its requests. */
let requests: IncomingMessage[] = [];
let busy = 0;
const answers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  "/atom": (request, response) => {
    if (request.headers["if-none-match"] === '"one"') return void response.writeHead(304).end();
    response.writeHead(200, { etag: '"one"', "content-type": "application/atom+xml" }).end(atom);
  },
  "/moved": (_, response) => void response.writeHead(301, { location: "/atom" }).end(),
  "/round": (_, response) => void response.writeHead(302, { location: "/round" }).end(),
  "/file": (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  "/busy": (_, response) => {
    if (busy-- > 0) return void response.writeHead(429, { "retry-after": "7" }).end();
    response.end("[]");
  },
  "/down": (_, response) => void response.writeHead(503).end(),
  "/later": (_, response) => void response.writeHead(429, { "retry-after": "86400" }).end(),
  "/bomb": (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(bomb),
};
const bomb = gzipSync(Buffer.alloc(51_000_000, " "));

let server: Server;
let site: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    (answers[request.url!] ?? ((_, missing) => void missing.writeHead(404).end()))(request, response);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

/** A clock whose sleep takes no time; the sleeps are recorded in milliseconds. */
let slept: number[] = [];
let now = 0;
const clock = {
  now: () => now,
  sleep: async (ms: number) => {
    slept.push(ms);
    now += ms;
  },
};
beforeEach(() => {
  [requests, slept, busy, now] = [[], [], 0, 1_000_000];
});

async function fetched(path: string, allowPrivate = true) {
  await using fetcher = new Fetcher({ allowPrivate, clock });
  return await fetcher.fetch(`${site}${path}`, undefined);
}

describe("a fetcher", () => {
  test("identifies itself, follows redirects, and spaces requests to a host", async () => {
    expect(await fetched("/moved")).toEqual({ text: atom, validators: { etag: '"one"', modified: null } });
    expect(requests.map(({ url }) => url)).toEqual(["/moved", "/atom"]);
    expect(requests[0]!.headers["user-agent"]).toContain("modicum-papers");
    expect(slept).toEqual([3000]);
  });

  test("imports an address again only if it has changed", async () => {
    const store = await openStore(":memory:");
    await using fetcher = new Fetcher({ allowPrivate: true, clock });
    const imported = () => importSource(store, `${site}/atom`, fetcher, {});
    expect(await imported()).toMatchObject({ papers: 1, added: 1, isSame: false });
    expect(await imported()).toMatchObject({ papers: 0, isSame: true });
    expect(requests[1]!.headers["if-none-match"]).toBe('"one"');
    expect(await importSource(store, `${site}/none`, fetcher, {})).toMatchObject({
      failure: `${site}/none: the server answers 404`,
    });
    await store.close();
  });

  test("waits as long as a busy server asks, and with growing delays otherwise", async () => {
    busy = 2;
    expect(await fetched("/busy")).toMatchObject({ text: "[]" });
    expect(slept).toEqual([7000, 7000]);
    slept = [];
    await expect(fetched("/down")).rejects.toThrow("/down: the server answers 503");
    expect(slept).toEqual([2000, 1000, 4000, 8000]);
    await expect(fetched("/later")).rejects.toThrow("the server answers 429");
  });

  test.each([
    ["/round", "more than 5 redirects"],
    ["/file", "expected an http or https address"],
    ["/bomb", "larger than 50 MB when unpacked"],
  ])("refuses %s", async (path, message) => {
    await expect(fetched(path)).rejects.toThrow(message);
  });

  test("reads this machine only on request, by address or by name", async () => {
    await expect(fetched("/atom", false)).rejects.toThrow("127.0.0.1 is an address of this machine");
    await using fetcher = new Fetcher({ clock });
    const named = site.replace("127.0.0.1", "localhost");
    await expect(fetcher.fetch(named, undefined)).rejects.toThrow("localhost is an address of this machine");
    expect(requests).toEqual([]);
  });
});

test.each([
  ["127.0.0.1", false],
  ["10.1.2.3", false],
  ["172.31.0.1", false],
  ["172.32.0.1", true],
  ["169.254.169.254", false],
  ["100.64.0.1", false],
  ["8.8.8.8", true],
  ["::1", false],
  ["::ffff:127.0.0.1", false],
  ["fd00::1", false],
  ["fe80::1", false],
  ["2002:7f00:1::", false],
  ["64:ff9b::7f00:1", false],
  ["2606:4700::1111", true],
])("%s is public: %s", (address, is) => expect(isPublic(address)).toBe(is));

test("Retry-After is seconds or a date", () => {
  expect(retryAfter("120", 0)).toBe(120_000);
  expect(retryAfter("Thu, 20 Mar 2025 00:01:00 GMT", Date.parse("2025-03-20T00:00:00Z"))).toBe(60_000);
  expect(retryAfter("soon", 0)).toBeUndefined();
  expect(retryAfter(null, 0)).toBeUndefined();
});
