import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { bigAt, startVllm, type Vllm } from "../fleet/vllm.testing.ts";
import { createLog } from "../log.ts";
import { jsonOf, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { untraced } from "./trace.ts";
import { tracerFrom } from "./tracer.ts";

// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
type Any = any;

/** A collector of OTLP over HTTP. */
const bodies: string[] = [];
let collector: Server;
let server: Testing;
let other: Vllm;
beforeAll(async () => {
  collector = createServer(async (request, response) => {
    const zipped = request.headers["content-encoding"] === "gzip";
    const chunks: Buffer[] = [];
    if (zipped) for await (const chunk of request) chunks.push(chunk);
    const body = zipped ? gunzipSync(Buffer.concat(chunks)).toString() : await text(request);
    if (request.url === "/v1/traces") bodies.push(body);
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  process.env["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment=test";
  other = await startVllm();
  const big = { ...(await bigAt(other.url)), model: "big", servers: [{ name: "far", url: other.url }] };
  const log = createLog({ write() {} });
  server = await serveModels(TINY.slice(0, 2), { tracer: await tracerFrom(process.env, "0.0.0", log) }, [big]);
});
afterAll(async () => {
  delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  delete process.env["OTEL_RESOURCE_ATTRIBUTES"];
  collector.close();
  other.stop();
});
afterEach(() => void other.got.splice(0));

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const parent = "b7ad6b7169203331";
const headers = { "content-type": "application/json", traceparent: `00-${TRACE}-${parent}-01` };
const post = (path: string, body: object) =>
  fetch(`${server.url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });

const plainValue = (value: Any): unknown =>
  value.arrayValue
    ? (value.arrayValue.values ?? []).map(plainValue)
    : (value.stringValue ?? value.doubleValue ?? value.boolValue ?? Number(value.intValue));
const plain = (attributes: Any[]) => Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));

test("a request's spans reach the collector, with its cost and without its text", async () => {
  const whole = await jsonOf(
    post("completions", { model: "tiny", prompt: "secret words", max_tokens: 5, temperature: 0, stop: ["hidden"] }),
  );
  await (
    await post("completions", { model: "tiny", prompt: "secret words", max_tokens: 3, stream: true, n: 2 })
  ).text();
  await post("embeddings", { model: "sentences", input: "secret words" });
  const refused = await post("completions", { model: "absent", prompt: "secret words" });
  expect(refused.status).toBe(404);
  const { receipt } = await jsonOf(
    post("chat/completions", { model: "big", messages: [{ role: "user", content: "secret words" }] }),
  );
  const traceparent = other.got[0]!.headers.get("traceparent")!;
  await fetch(`${server.url}/v1/models`, { headers });
  await server.stop(1000);

  const resources = bodies.flatMap((body) => JSON.parse(body).resourceSpans);
  expect(plain(resources[0].resource.attributes)).toMatchObject({
    "service.name": "modicum",
    "deployment.environment": "test",
  });
  const spans = resources.flatMap((r: Any) => r.scopeSpans).flatMap((s: Any) => s.spans) as Any[];
  expect([...new Set(spans.map((s) => s.traceId))]).toEqual([TRACE]);
  const named = (name: string) => spans.filter((s) => s.name === name);
  const below = (span: Any) => spans.filter((s) => s.parentSpanId === span.spanId);
  const roots = spans.filter((s) => s.parentSpanId === parent);
  expect(roots.map((s) => s.name).sort()).toEqual([
    ...["chat big", "embeddings sentences", "text_completion absent", "text_completion tiny", "text_completion tiny"],
  ]);

  const first = roots.find((s) => plain(s.attributes)["gen_ai.response.id"] === whole.receipt.id);
  expect(plain(first.attributes)).toMatchObject({
    "gen_ai.operation.name": "text_completion",
    "gen_ai.request.model": "tiny",
    "gen_ai.request.max_tokens": 5,
    "gen_ai.usage.input_tokens": whole.receipt.tokens.prompt,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.response.finish_reasons": [whole.choices[0].finish_reason],
    "modicum.flops.dense": whole.receipt.flops.dense,
    "modicum.flops.spent": whole.receipt.flops.spent,
    "http.response.status_code": 200,
  });
  const parts = below(first);
  expect(parts.map((s) => s.name)).toEqual(expect.arrayContaining(["queue", "prefill", "decode"]));
  for (const span of parts) {
    expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(first.startTimeUnixNano));
    expect(BigInt(span.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(first.endTimeUnixNano));
    expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
  }
  expect(named("decode")).toHaveLength(3);

  const [absent] = named("text_completion absent");
  expect(plain(absent.attributes)).toMatchObject({ "http.response.status_code": 404, "error.type": "model_not_found" });
  const [big] = named("chat big");
  expect(traceparent).toBe(`00-${TRACE}-${big.spanId}-01`);
  expect(below(big).map((s) => [s.name, plain(s.attributes)["server.address"]])).toEqual([["remote", "far"]]);
  expect(plain(big.attributes)).toMatchObject({
    "modicum.estimated": true,
    "modicum.flops.dense": receipt.flops.dense,
  });
  expect(bodies.join("")).not.toMatch(/secret|hidden|Tokyo/);
});

test("without an endpoint nothing is reported, and a client's trace still continues on other servers", async () => {
  const log = createLog({ write() {} });
  expect(await tracerFrom({}, "0.0.0", log)).toBe(untraced);
  expect(await tracerFrom({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_SDK_DISABLED: "true" }, "0", log)).toBe(
    untraced,
  );
  const incoming = new Headers({ traceparent: headers.traceparent, authorization: "Bearer mine" });
  expect(untraced.begin({ headers: incoming } as Any).headers).toEqual({ traceparent: headers.traceparent });
});

test("an unsupported protocol is reported", async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" };
  await expect(tracerFrom(env, "0.0.0", createLog({ write() {} }))).rejects.toThrow(
    /^OTEL_EXPORTER_OTLP_PROTOCOL is grpc, expected http/,
  );
});

test("a silent collector does not delay a stopping server", async () => {
  const silent = await serveModels(TINY.slice(0, 1), { tracer: { ...untraced, close: () => new Promise(() => {}) } });
  await silent.stop(0);
});
