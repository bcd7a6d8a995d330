import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Milliseconds before the first interim response; each pause is twice the previous one. */
const FIRST_PAUSE = 4;

/**
 * Answers a client that ends its side of the connection right after its request. A client that is gone looks the same
 * until something is sent to it, so interim responses are sent. A client that ends its side during the answer is
 * treated as gone.
 */
export function answerHalfClosed(server: Server): void {
  // An option of Node's that its types lack.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const ended = () => {
      if (!response.headersSent) probe(request, response);
      else if (!response.writableEnded) socket.destroy();
    };
    socket.once("end", ended);
    response.once("close", () => socket.off("end", ended));
  });
}

/**
 * Sends interim responses. The first that reaches nobody causes a reset; the next one then fails and ends the request.
 */
function probe({ httpVersion }: IncomingMessage, response: ServerResponse): void {
  // HTTP/1.0 has no interim responses.
  if (httpVersion === "1.0") return;
  let timer: NodeJS.Timeout | undefined;
  const next = (pause: number) => {
    if (response.headersSent) return;
    response.writeProcessing();
    timer = setTimeout(next, pause, 2 * pause).unref();
  };
  timer = setTimeout(next, FIRST_PAUSE, FIRST_PAUSE).unref();
  response.once("close", () => clearTimeout(timer));
}
