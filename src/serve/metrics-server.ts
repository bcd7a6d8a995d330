import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";

/**
 * Serves only `/metrics`, for scrapers that cannot send a key, such as Kubernetes' endpoint pickers. Anybody who can
 * reach the port can read it.
 */
export const metricsServer = (registry: Registry): Server =>
  createServer(async ({ method, url }, response) => {
    if (method !== "GET" || url !== "/metrics") {
      response.writeHead(404, { "content-type": "text/plain" }).end("this port serves only GET /metrics\n");
      return;
    }
    try {
      const text = await registry.metrics();
      response.writeHead(200, { "content-type": registry.contentType }).end(text);
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain" }).end(`${(error as Error).message}\n`);
    }
  });
