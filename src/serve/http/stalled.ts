import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Closes a client's connection if an answer is ready and the client reads none of it for `seconds` seconds; otherwise
 * its request would never end. A client whose answer is not ready yet is not stalled.
 */
export function closeStalled(server: Server, seconds: number): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    // Node restarts the timeout on each write, and whenever the client reads.
    response.setTimeout(1000 * seconds, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
  });
}

/** Milliseconds added to the timeout announced to clients, since a request sent in time may arrive later. */
const ON_ITS_WAY = 1_000;

/**
 * Closes an idle connection when its time is over, unless its next request has arrived. Node checks its clock before it
 * reads: after a busy moment it would close the connection with that request unread, and the client would see a reset.
 */
export function closeIdle(server: Server): void {
  const latest = new WeakMap<Socket, ServerResponse>();
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => void latest.set(socket, response));
  server.on("timeout", (socket: Socket) => {
    if (!latest.get(socket)?.writableFinished) return;
    const { bytesRead } = socket;
    const close = () => socket.bytesRead === bytesRead && socket.destroy();
    setTimeout(() => setImmediate(close), ON_ITS_WAY).unref();
  });
}
