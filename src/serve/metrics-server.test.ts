import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Gauge, Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { metricsServer } from "./metrics-server.ts";
import { serveModels, startModels, TINY } from "./serve.testing.ts";

test("the metrics port serves them without a key, and nothing else", async () => {
  const server = await serveModels(TINY.slice(0, 1), { metricsPort: 0 });
  onTestFinished(async () => void (await server.stop(0)));
  await server.keys.create("team", ["infer"]);
  expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
  const scraped = await fetch(`${server.metricsUrl}/metrics`);
  expect([scraped.status, scraped.headers.get("content-type")]).toEqual([
    200,
    expect.stringContaining("version=0.0.4"),
  ]);
  expect(await scraped.text()).toMatch(/^vllm:num_requests_running\{model_name="tiny"\} 0$/m);
  for (const path of ["/", "/v1/models", "/metrics?x=1"])
    expect((await fetch(`${server.metricsUrl}${path}`)).status).toBe(404);
  expect((await fetch(`${server.metricsUrl}/metrics`, { method: "POST" })).status).toBe(404);
});

test("it closes with the server, and a taken port closes the server", async () => {
  const server = await serveModels(TINY.slice(0, 1), { metricsPort: 0 });
  const port = Number(new URL(server.metricsUrl!).port);
  await expect(startModels(TINY.slice(0, 1), { metricsPort: port })).rejects.toThrow("the port is in use");
  await server.stop(0);
  await expect(fetch(`${server.metricsUrl}/metrics`)).rejects.toThrow();
});

test("an unreadable metric is an error response, not the end of the process", async () => {
  const registry = new Registry();
  const broken = () => {
    throw new Error("the pool is gone");
  };
  new Gauge({ name: "broken", help: "fails", registers: [registry], collect: broken });
  const server = metricsServer(registry).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([500, "the pool is gone\n"]);
});
