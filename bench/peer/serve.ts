import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A minimal server: passes each POST's JSON to `answer`, on any path, and returns the result as JSON. */
export function servePeer(answer: (body: never) => Promise<object>): void {
  const server = createServer(async (request, response) => {
    const reply = request.method === "POST" ? await answer((await jsonOf(request)) as never) : {};
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(reply));
  });
  // Idle connections never time out, even if a busy machine delays the next request.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    process.stderr.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
  });
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString());
}
