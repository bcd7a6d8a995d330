import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { errorResponse, failure, HttpError } from "./errors.ts";

/**
 * Maximum milliseconds for a client to read a refusal; otherwise, a client that never closes would keep the connection
 * for ever.
 */
const TO_TAKE_IT = 1_000;

/** Called for each refusal that no endpoint sees. */
type Note = (fault: HttpError) => void;

/** Answers invalid, too slow and too large HTTP requests with one sentence, and closes their connections. */
export function refuseBroken(server: Server, note: Note): void {
  const open = new WeakMap<Duplex, Set<ServerResponse>>();
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = open.get(socket) ?? new Set();
    open.set(socket, responses.add(response));
    response.once("close", () => responses.delete(response));
  });
  server.on("checkExpectation", ({ headers }: IncomingMessage, response: ServerResponse) => {
    const fault = new HttpError(417, `expected "100-continue" in the Expect header, got "${headers.expect}"`);
    response.writeHead(417, { "content-type": "application/json", connection: "close" });
    response.end(JSON.stringify(fault.body()));
    note(fault);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const responses = [...(open.get(socket) ?? [])];
    // A client that opens a connection and sends nothing needs no answer.
    if (!socket.writable || socket.bytesRead === 0 || !isFree(responses)) return void socket.destroy();
    const fault = refusal(error.code);
    const unread = responses.map(({ req }) => req).find(({ complete }) => !complete);
    // The handler that is reading the request's body then refuses the request as it would any other.
    if (unread && unread.listenerCount("error") > 0) return void unread.emit("error", fault);
    socket.end(rawResponse(fault));
    setTimeout(() => socket.destroy(), TO_TAKE_IT).unref();
    if (!unread) note(fault);
  });
}

/** Answers a request without a valid URL with one sentence; Node and Hono would return an empty body. */
export const refuseAddress =
  (note: Note) =>
  (error: unknown): Response => {
    const fault = error instanceof RequestError ? noAddress() : failure(error);
    note(fault);
    return errorResponse(fault);
  };

export const noAddress = (): HttpError => new HttpError(400, "the request has an invalid URL or Host header");

/**
 * True if a response written now would be taken for the answer to the broken request: nothing has been sent for it, and
 * no earlier response is due.
 */
const isFree = (responses: readonly ServerResponse[]): boolean => responses.length < 2 && !responses[0]?.headersSent;

/** Nothing more can be read from the connection of a broken request. */
const last = { headers: { connection: "close" } };

function refusal(code: string | undefined): HttpError {
  if (code === "HPE_HEADER_OVERFLOW") return new HttpError(431, "the request's headers are too large", last);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new HttpError(408, "the request took too long to arrive", last);
  if (code === "HPE_INVALID_EOF_STATE") return new HttpError(400, "the request broke off", last);
  return new HttpError(400, "malformed HTTP request", last);
}

function rawResponse(error: HttpError): string {
  const body = JSON.stringify(error.body());
  const head = [`HTTP/1.1 ${error.status} Refused`, "connection: close", "content-type: application/json"];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
