/**
 * A minimal server that behaves like vLLM: a separate first event with the role, fields that OpenAI lacks, vLLM's error
 * format, and no receipts.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { shapeOf } from "../../engine/bill/shape.ts";
import type { JsonObject } from "../../weights/json.ts";
import { type RemoteOptions, remoteFromText } from "./file.ts";

const config = new URL("../../models/fixtures/llama-yarn/config.json", import.meta.url);

/** The model `big`, with a shape, on servers with OpenAI's API at these URLs. */
export const bigAt = async (...urls: readonly string[]): Promise<RemoteOptions> => ({
  ...remoteFromText(`big=${urls.join()}`),
  ...{
    kind: "openai",
    model: "org/Big",
    shape: await shapeOf(JSON.parse(readFileSync(config, "utf8")), "config.json"),
  },
});

/**
 * The server's behaviour for text requests: answers, breaks off before or after the first token, is busy, or never
 * answers.
 */
type Manner = "answers" | "dies-early" | "dies-late" | "busy" | "hangs";

export interface Vllm {
  readonly url: string;
  manner: Manner;
  /** Awaited between words. */
  pause: () => Promise<unknown>;
  healthy: boolean;
  /** Bodies and headers of received requests. */
  readonly got: { body: JsonObject; headers: Headers }[];
  /** The number of requests whose client disconnected. */
  left: number;
  stop(): void;
}

const WORDS = ["The", " capital", " is", " Tokyo"];
const usage = { prompt_tokens: 11, total_tokens: 15, completion_tokens: 4, prompt_tokens_details: null };
export const briefly = () => sleep(2);

/** For `pause`: writes one word, then nothing more. */
export const withoutEnd = () => new Promise(() => {});

export async function startVllm(): Promise<Vllm> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const usual = { manner: "answers", pause: briefly, healthy: true } as const;
  const it: Vllm = { ...usual, url: "", got: [], left: 0, stop: () => server.close() };
  app.get("/health", (c) => (it.healthy ? c.body(null, 200) : c.body(null, 500)));
  app.post("/v1/chat/completions", async (c) => {
    const body = await c.req.json<JsonObject>();
    it.got.push({ body, headers: c.req.raw.headers });
    if (body["top_k"] === -7)
      return c.json(
        { object: "error", message: "top_k must be -1 or at least 1", type: "BadRequestError", code: 400 },
        400,
      );
    if (it.manner === "busy") return c.json({ error: { message: "full" } }, 429, { "retry-after": "7" });
    const head = { id: "chatcmpl-1", created: 1, model: body["model"], prompt_logprobs: null };
    if (!body["stream"]) {
      const message = { role: "assistant", content: WORDS.join(""), reasoning_content: null, tool_calls: [] };
      const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop", stop_reason: null }];
      return c.json({ ...head, object: "chat.completion", choices, usage, kv_transfer_params: null });
    }
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => void it.left++);
      const say = (delta: object, more = {}) => {
        const choices = [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }];
        return stream.writeSSE({ data: JSON.stringify({ ...head, object: "chat.completion.chunk", choices }) });
      };
      await say({ role: "assistant", content: "" });
      await stream.write(": ping\n\n");
      if (it.manner === "hangs") await new Promise<void>((resolve) => stream.onAbort(resolve));
      if (it.manner === "dies-early") return void c.env.outgoing.destroy();
      for (const content of WORDS) {
        await say({ content });
        await it.pause();
        if (it.manner === "dies-late") return void c.env.outgoing.destroy();
      }
      await say({ content: "" }, { finish_reason: "stop", stop_reason: null });
      const includesUsage = (body["stream_options"] as JsonObject | undefined)?.["include_usage"];
      if (includesUsage) await stream.writeSSE({ data: JSON.stringify({ ...head, choices: [], usage }) });
      await stream.writeSSE({ data: "[DONE]" });
    });
  });
  app.post("/v1/embeddings", async (c) => {
    const body = await c.req.json<JsonObject>();
    it.got.push({ body, headers: c.req.raw.headers });
    const data = [{ object: "embedding", index: 0, embedding: [0.6, 0.8] }];
    return c.json({
      id: "embd-1",
      object: "list",
      model: body["model"],
      data,
      usage: { ...usage, completion_tokens: 0 },
    });
  });
  app.post("/v1/completions", async (c) => {
    const body = await c.req.json<JsonObject>();
    it.got.push({ body, headers: c.req.raw.headers });
    const choices = [{ index: 0, text: WORDS.join(""), logprobs: null, finish_reason: "length" }];
    return c.json({ id: "cmpl-1", created: 1, model: body["model"], object: "text_completion", choices, usage });
  });
  app.post("/v1/rerank", async (c) => {
    const body = await c.req.json<JsonObject>();
    it.got.push({ body, headers: c.req.raw.headers });
    return c.json({ id: "rerank-1", model: body["model"], usage, results: [{ index: 0, relevance_score: 0.5 }] });
  });
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(it, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
