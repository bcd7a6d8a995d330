import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Limits for discarding the rest of an answered request's body: bytes and milliseconds. */
const [MOST, LONGEST] = [64 * 2 ** 20, 5_000];

/**
 * Discards the rest of a body that was refused unread. Many clients send all of it before they read, and closing a
 * connection with unread data resets it, which loses the answer.
 */
export function letPass(server: Server): void {
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // This listener runs before Node closes the connection.
    response.prependOnceListener("finish", () => {
      if (!request.complete) discard(request);
    });
  });
}

function discard(request: IncomingMessage): void {
  const { socket } = request;
  const before = socket.bytesRead;
  const timer = setTimeout(() => socket.destroy(), LONGEST).unref();
  // Removes the body's reader. By itself, Node would read and discard the rest of the body without limit.
  request.removeAllListeners("data").read(0);
  request.on("data", () => {
    if (socket.bytesRead - before > MOST) socket.destroy();
  });
  request.once("end", closedLater(request));
  request.once("close", () => clearTimeout(timer));
  request.resume();
}

/** Makes closing the connection end only the server's side; the returned function closes the other side. */
function closedLater({ socket }: IncomingMessage): () => void {
  const { destroySoon } = socket;
  socket.destroySoon = () => socket.end();
  return () => {
    socket.destroySoon = destroySoon;
    if (socket.writableEnded) socket.destroySoon();
  };
}
