import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "../../util/errors.ts";
import { page } from "./page.ts";
import { readTrainedRun } from "./run.ts";

/**
 * Serves a run's page, on this machine only, reading the run anew for each request; returns the page's address. @throws
 * UserError if the folder contains no run, or the port is taken
 */
export async function watchRun(out: string, port: number, signal: AbortSignal): Promise<string> {
  readTrainedRun(out);
  const server = createServer((_, response) => {
    try {
      response.setHeader("content-type", "text/html; charset=utf-8").end(page([readTrainedRun(out)], true));
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain; charset=utf-8" }).end(`${(error as Error).message}\n`);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", ({ message }) =>
      reject(new UserError(`--port ${port}: the page cannot be served (${message})`)),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  signal.addEventListener("abort", () => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
