import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { errorResponse, failure, HttpError } from "./errors.ts";

/** Requests that are no HTTP, or too slow or large to be read, get their sentence, too, and their connection is closed. */
export function refuseBroken(server: Server): void {
  const open = new WeakMap<Duplex, Set<ServerResponse>>();
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = open.get(socket) ?? new Set();
    open.set(socket, responses.add(response));
    response.once("close", () => responses.delete(response));
  });
  server.on("checkExpectation", ({ headers }: IncomingMessage, response: ServerResponse) => {
    const error = new HttpError(417, `expected "100-continue" as what is expected, got "${headers.expect}"`);
    response.writeHead(417, { "content-type": "application/json", connection: "close" });
    response.end(JSON.stringify(error.body()));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || !isFree([...(open.get(socket) ?? [])])) return void socket.destroy();
    socket.end(rawResponse(refusal(error.code)));
  });
}

/** A request that names no address, or one that is none, gets a sentence as well: without this one, Node and Hono give an empty answer. */
export function refuseAddress(error: unknown): Response {
  return errorResponse(error instanceof RequestError ? noAddress() : failure(error));
}

export const noAddress = (): HttpError => new HttpError(400, "the request's address or host is none that there can be");

/** Whether what is written now is taken for the answer to the request that broke: nothing is said yet, nor owed for one before. */
const isFree = (responses: readonly ServerResponse[]): boolean => responses.length < 2 && !responses[0]?.headersSent;

function refusal(code: string | undefined): HttpError {
  if (code === "HPE_HEADER_OVERFLOW") return new HttpError(431, "the request's headers are too large");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new HttpError(408, "the request took too long to arrive");
  if (code === "HPE_INVALID_EOF_STATE") return new HttpError(400, "the request broke off before its end");
  return new HttpError(400, "the request is not HTTP/1.1 as it should be");
}

function rawResponse(error: HttpError): string {
  const body = JSON.stringify(error.body());
  const head = [`HTTP/1.1 ${error.status} Refused`, "connection: close", "content-type: application/json"];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
