/** Starts servers on loopback with this project's small models, for tests. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { schedulerOptions } from "../engine/schedule/scheduler.ts";
import { entry, type Field } from "../weights/gguf/gguf.testing.ts";
import type { RemoteOptions } from "./fleet/file.ts";
import { Fleet } from "./fleet/fleet.ts";
import { KeyStore } from "./keys/store.ts";
import { limitOptions } from "./limits.ts";
import { createLog } from "./log.ts";
import { Catalogue } from "./models/catalogue.ts";
import { type ServeOptions, type Serving, serve } from "./server.ts";
import { untraced } from "./trace/trace.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/**
 * Models with random weights: a decoder without a chat template, an embedding model, a cross-encoder, and a classifier
 * with three labels.
 */
export const TINY = [
  `tiny=${fixture("models/fixtures/llama-tiny.gguf")}`,
  `sentences=${fixture("engine/fixtures/sentences")}`,
  `ranker=${fixture("engine/fixtures/cross-encoder")}`,
  `labels=${fixture("engine/fixtures/classifier")}`,
];

/**
 * The first model of TINY with more fields at the start of its file, and a padding field to keep the tensors aligned.
 */
export function tinyWith(fields: Readonly<Record<string, Field>>): Buffer {
  const gguf = readFileSync(fixture("models/fixtures/llama-tiny.gguf"));
  const more = Buffer.concat(Object.entries(fields).map(([key, field]) => entry(key, field)));
  const padding = (size: number) => entry("testing.padding", ["string", "x".repeat(size)]);
  const missing = 32 - ((more.length + padding(0).length) % 32);
  const head = Buffer.from(gguf.subarray(0, 24));
  head.writeBigUInt64LE(gguf.readBigUInt64LE(16) + BigInt(Object.keys(fields).length + 1), 16);
  return Buffer.concat([head, more, padding(missing), gguf.subarray(24)]);
}

export const tinyWithTemplate = (template: string): Buffer =>
  tinyWith({ "tokenizer.chat_template": ["string", template] });

export interface Testing extends Serving {
  readonly folder: string;
  readonly keys: KeyStore;
  /** The lines of the server's log. */
  readonly logged: string[];
}

/** A response as untyped JSON: tests check it. */
// biome-ignore lint/suspicious/noExplicitAny: its shape is what tests look at
export const jsonOf = async (response: Response | Promise<Response>): Promise<any> => (await response).json();

/** Posts JSON to a path of a server. */
export const post = (to: Pick<Testing, "url">, path: string, body: object): Promise<Response> =>
  fetch(to.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/**
 * Sends one request, then two to sixteen at a time, until the answers take more than `ms` milliseconds; so it works on
 * fast and slow machines.
 */
export async function outlasting(ms: number, ask: () => Promise<void>): Promise<void> {
  for (
    let clients = 1, took = 0;
    took < ms;
    clients = Math.ceil(clients * Math.min(Math.max((1.2 * ms) / took, 2), 16))
  ) {
    const started = performance.now();
    await Promise.all(Array.from({ length: clients }, ask));
    took = performance.now() - started;
  }
}

/** OpenAI's client for a server, without retries. */
export const openaiOf = ({ url }: Pick<Testing, "url">): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });

/** Starts a server, and warms it up; the folder holds its keys and ledger, and is deleted by `stop`. */
export async function serveModels(...args: Parameters<typeof startModels>): Promise<Testing> {
  const started = await startModels(...args);
  await started.warm;
  return started;
}

/** Starts a server that has not warmed up yet. */
export async function startModels(
  models: readonly string[],
  changes: Partial<ServeOptions> = {},
  remotes: readonly RemoteOptions[] = [],
): Promise<Testing> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-serve-"));
  const keys = new KeyStore(path.join(folder, "keys.json"));
  const logged: string[] = [];
  const log = createLog({ write: (line) => void logged.push(line) });
  const fleet = await Fleet.open(remotes, log);
  const elsewhere = fleet.list().map(({ options }) => options.name);
  const serving = await serve({
    catalogue: await Catalogue.open(models, { elsewhere }),
    fleet,
    ...{ keys, host: "127.0.0.1", port: 0, allowAnonymous: false, memory: 2e9 },
    logPrompts: false,
    version: "0.0.0",
    scheduling: schedulerOptions.parse({}),
    limits: limitOptions.parse({}),
    ledger: path.join(folder, "receipts.db"),
    log,
    tracer: untraced,
    ...changes,
  });
  const stop = async (patience: number) => {
    const unwritten = await serving.stop(patience);
    rmSync(folder, { recursive: true });
    return unwritten;
  };
  return { ...serving, stop, folder, keys, logged };
}
