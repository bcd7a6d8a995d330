import type { Server } from "node:http";
import type { Socket } from "node:net";
import { HttpError } from "./errors.ts";

/** Requests that are no HTTP, or too slow or large to be read, get their sentence, too. */
export function refuseBroken(server: Server): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || (socket as Socket).bytesWritten > 0) return void socket.destroy();
    socket.end(rawResponse(refusal(error.code)));
  });
}

function refusal(code: string | undefined): HttpError {
  if (code === "HPE_HEADER_OVERFLOW") return new HttpError(431, "the request's headers are too large");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new HttpError(408, "the request took too long to arrive");
  return new HttpError(400, "the request is not HTTP/1.1 as it should be");
}

function rawResponse(error: HttpError): string {
  const body = JSON.stringify(error.body());
  const head = [`HTTP/1.1 ${error.status} Refused`, "connection: close", "content-type: application/json"];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
