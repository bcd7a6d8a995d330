import type { IncomingMessage, Server, ServerResponse } from "node:http";

/**
 * Closes the connection of a client that for so many seconds takes nothing of an answer which is there for it: nobody would end its request.
 * However long an answer takes to come, it is no stall.
 */
export function closeStalled(server: Server, seconds: number): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    // Node begins anew with each write, and with all that the client takes.
    response.setTimeout(1000 * seconds, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
  });
}
