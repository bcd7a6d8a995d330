import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

/** The behaviour of the test server. */
export interface Serving {
  body: Buffer;
  /** True (the default) if the server supports `Range`. */
  ranges?: boolean;
  /** True (the default) if the server sends the length. */
  length?: boolean;
  /** The status of the first, second, … response, until the file is sent. */
  failures?: ({ status: number; headers?: Record<string, string> } | undefined)[];
  /** The number of bytes sent of the first, second, … response before the connection is cut. */
  cuts?: number[];
  /** Stops sending at this byte of the file, and keeps the connection open, until the value changes. */
  holdAt?: number | undefined;
  /** The number of bytes sent at a time; default: 16 KiB. */
  piece?: number;
  /** The pause after each piece, in ms. */
  paceMs?: number;
  /** Sends one byte per this many ms, as in a Slowloris attack. */
  dripMs?: number;
  /** Called when a response starts, with the number of open responses. */
  onOpen?: (open: number) => void;
}

export interface TestServer {
  url: string;
  serving: Serving;
  /** The offset of the first byte of each request. */
  starts: number[];
  /** The `Authorization` header of each request. */
  authorizations: (string | undefined)[];
  /** The number of open responses. */
  open: () => number;
  close: () => Promise<void>;
}

/** Starts a server for one file on this machine, which stops when the test ends. */
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

/** Starts a server on this machine, which stops when the test ends. */
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
  // Requests for the length are not counted, because they deliver no part of the file.
  if (request.headers.range === "bytes=0-0")
    return void response.writeHead(206, { "content-range": `bytes 0-0/${length ? body.length : "*"}` }).end("?");
  const [, from, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const offset = Number(from ?? 0);
  state.starts.push(offset);
  state.authorizations.push(request.headers.authorization);
  const failure = failures?.[nth];
  if (failure) return void response.writeHead(failure.status, failure.headers).end("no");
  const ranged = ranges && from !== undefined;
  const start = ranged ? offset : 0;
  const stop = ranged && last ? Math.min(Number(last) + 1, body.length) : body.length;
  if (start > 0 && start >= body.length) return void response.writeHead(416).end();
  const headers: Record<string, string> = length ? { "content-length": String(stop - start) } : {};
  if (ranged) headers["content-range"] = `bytes ${start}-${stop - 1}/${body.length}`;
  response.writeHead(ranged ? 206 : 200, headers).flushHeaders();
  const cut = start + (cuts?.[nth] ?? Number.POSITIVE_INFINITY);
  for (let at = start; at < stop && !response.destroyed; ) {
    const end = Math.min(at + (dripMs ? 1 : piece), stop, cut, state.serving.holdAt ?? stop);
    if (end > at) await new Promise((written) => response.write(body.subarray(at, end), written));
    // The connection is cut by a half-close, so that data in transit still arrives; a reset would lose it.
    if (end === cut) return void response.socket?.end();
    await sleep(end === state.serving.holdAt ? 5 : (dripMs ?? paceMs));
    at = end;
  }
  response.end();
}
