import type { IncomingMessage, Server, ServerResponse } from "node:http";

/**
 * Closes the connection of a client that takes nothing of a waiting answer for `seconds` seconds: nothing else would
 * end its request. Waiting for the answer itself is not a stall.
 */
export function closeStalled(server: Server, seconds: number): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    // Node restarts the timeout on each write, and whenever the client reads.
    response.setTimeout(1000 * seconds, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
  });
}
