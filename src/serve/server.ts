import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Logger } from "pino";
import type { PrefixFolder } from "../engine/decode/state/prefix-folder.ts";
import type { SchedulerOptions } from "../engine/schedule/scheduler.ts";
import { openLedger } from "../ledger/store.ts";
import { UserError } from "../util/errors.ts";
import { newMemo } from "../util/memo.ts";
import { codeOf } from "../util/system-errors.ts";
import { within } from "../util/within.ts";
import type { WordVectors } from "../weights/vectors/word-vectors.ts";
import { Answering } from "./answering.ts";
import { createApp } from "./app.ts";
import { Audits } from "./audits.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { refuseAddress, refuseBroken } from "./http/broken.ts";
import type { HttpError } from "./http/errors.ts";
import { answerHalfClosed } from "./http/half-closed.ts";
import { letPass } from "./http/lingering.ts";
import { closeIdle, closeStalled } from "./http/stalled.ts";
import { Indexes } from "./indexes.ts";
import { Access, checkBind } from "./keys/access.ts";
import { Rates } from "./keys/rates.ts";
import type { KeyStore } from "./keys/store.ts";
import { LedgerQueue } from "./ledger-queue.ts";
import type { Limits } from "./limits.ts";
import { Metrics } from "./metrics.ts";
import { metricsServer } from "./metrics-server.ts";
import type { Catalogue } from "./models/catalogue.ts";
import { checkBudget } from "./models/memory.ts";
import { Pool } from "./models/pool.ts";
import { endpointsOf } from "./routes/index.ts";
import type { ServerContext } from "./server-context.ts";
import type { Tracer } from "./trace/trace.ts";
import { UnderWay } from "./under-way.ts";
import { warmUp } from "./warm-up.ts";
import { withConsole } from "./web/console.ts";

export interface ServeOptions {
  readonly catalogue: Catalogue;
  readonly fleet: Fleet;
  readonly keys: KeyStore;
  /** Search indexes by name; none by default. */
  readonly indexes?: Indexes | undefined;
  /** Word vectors for classifying texts; none by default. */
  readonly vectors?: WordVectors | undefined;
  readonly host: string;
  /** The port; 0 selects a free port. */
  readonly port: number;
  /** The port that serves only `/metrics`, without a key; 0 selects a free port. Undefined: no such port. */
  readonly metricsPort?: number | undefined;
  readonly allowAnonymous: boolean;
  /** The host names that a proxy uses for the server, in lower case. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Maximum bytes of models in memory. */
  readonly memory: number;
  /** The disk cache of prompts' keys and values; none by default. */
  readonly prefixes?: PrefixFolder | undefined;
  /** Milliseconds that unused models stay in memory; unlimited by default. */
  readonly keepAlive?: number | undefined;
  readonly limits: Limits;
  readonly scheduling: SchedulerOptions;
  /** The share of conversations under certificates to audit; none by default. */
  readonly audit?: number | undefined;
  /** The ledger's file, or its address: `postgres://…`. */
  readonly ledger: string;
  readonly log: Logger;
  /** True if requests are logged with their prompts. */
  readonly logPrompts: boolean;
  readonly tracer: Tracer;
  /** Modicum's version, for the documentation. */
  readonly version: string;
  /** The console at `/`, and the folder of lab runs that it shows; undefined without a console. */
  readonly console?: { readonly lab: string | undefined } | undefined;
}

/** A server that accepts requests. */
export interface Serving {
  readonly url: string;
  /** The address of the metrics port, if any. */
  readonly metricsUrl: string | undefined;
  /** Resolves when the first model has answered once. @throws the model's loading error */
  readonly warm: Promise<void>;
  /**
   * Accepts no more requests, gives running ones `patience` milliseconds, then ends them, and writes the ledger.
   * Returns the number of lost receipts.
   */
  stop(patience: number): Promise<number>;
}

/** Milliseconds for truncated answers to reach their clients. */
const TO_SAY_SO = 2_000;

/** Milliseconds for sent data to leave, and for requests with closed connections to be billed. */
const ON_ITS_WAY = 200;

/**
 * Milliseconds to wait for the last audits, and for the last receipts to be written; without a limit, a silent ledger
 * would delay shutdown.
 */
const TO_BE_WRITTEN = 5_000;

/**
 * Milliseconds to wait for the last traces to be sent; without a limit, an unavailable collector would delay shutdown.
 */
const TO_BE_SENT = 1_000;

/** Starts the server. @throws UserError if it may not listen without keys, or cannot listen */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { catalogue, fleet, keys, memory, log, logPrompts, tracer, limits, version } = options;
  await checkBind(keys, options);
  await checkBudget(memory, catalogue.list());
  const ledger = new LedgerQueue(await openLedger(options.ledger), log);
  const shared = { catalogue, fleet, log, logPrompts, tracer, limits, version };
  const indexes = options.indexes ?? new Indexes([]);
  const base = {
    ...shared,
    indexes,
    vectors: options.vectors,
    memo: newMemo(),
    ledger,
    rates: new Rates(),
    started: new Date(),
  };
  const audits = new Audits(options.audit ?? 0, ledger, log);
  const onNotice = (notice: string) => log.warn(notice);
  const { scheduling, prefixes } = options;
  const pool = new Pool(memory, { scheduling, auditor: audits.auditor, prefixes, onNotice }, options.keepAlive);
  const adapterCount = catalogue.list().reduce((sum, { adapters }) => sum + adapters.length, 0);
  const metrics = new Metrics(pool, fleet, adapterCount);
  const context: ServerContext = { ...base, pool, metrics, state: { now: "starting" } };
  const underWay = new UnderWay();
  const api = createApp(new Answering(context, new Access(keys, options), underWay), endpointsOf(context), log);
  const app = options.console
    ? withConsole({ version, keys, lab: options.console.lab, answer: (request) => api.fetch(request) })
    : api;
  const refused = noteRefusal(context);
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // `letPass` discards unread bodies.
    autoCleanupIncoming: false,
    errorHandler: refuseAddress(refused),
  });
  const server = createServer({ ...timesOf(limits), requireHostHeader: false }, listener);
  refuseBroken(server, refused);
  answerHalfClosed(server);
  closeStalled(server, limits.maxStall);
  closeIdle(server);
  letPass(server);
  const url = await listen(server, options);
  try {
    const scraped = await openMetrics(metrics, options);
    const stopBoth = async (patience: number) => {
      const unwritten = await stop(context, server, underWay, patience);
      scraped?.server.closeAllConnections();
      scraped?.server.close();
      return unwritten;
    };
    return { url, metricsUrl: scraped?.url, warm: warmUp(context), stop: stopBoth };
  } catch (error) {
    server.close();
    throw error;
  }
}

async function openMetrics({ registry }: Metrics, { host, metricsPort }: ServeOptions) {
  if (metricsPort === undefined) return undefined;
  const server = metricsServer(registry);
  return { server, url: await listen(server, { host, port: metricsPort }) };
}

/** Counts and logs requests that are refused before any endpoint sees them. */
const noteRefusal =
  ({ metrics, log }: ServerContext) =>
  ({ status, message }: HttpError) => {
    metrics.failed(status);
    log.info({ status, fault: message }, "refused");
  };

/** Node's timeouts, in milliseconds. */
function timesOf({ maxArrival }: Limits) {
  const quarter = 250 * maxArrival;
  return {
    headersTimeout: quarter,
    requestTimeout: 4 * quarter,
    connectionsCheckingInterval: Math.min(5_000, quarter / 2),
  };
}

async function listen(server: Server, { host, port }: Pick<ServeOptions, "host" | "port">): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(unlistened(error, host, port)));
    server.listen(port, host, resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${boundPort}`;
}

function unlistened(error: Error, host: string, port: number): unknown {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use",
    EACCES: "permission denied",
    EADDRNOTAVAIL: "this machine does not have this address",
    ENOTFOUND: "there is no such host",
  };
  const reason = reasons[codeOf(error) ?? ""];
  return reason ? new UserError(`cannot listen on ${host}:${port}: ${reason}`) : error;
}

async function stop(context: ServerContext, server: Server, underWay: UnderWay, patience: number): Promise<number> {
  context.state.now = "stopping";
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  context.fleet.close(patience);
  const ended = Promise.all([context.pool.close(patience), underWay.drain(patience + TO_SAY_SO)]);
  // Without a limit, a client that does not read its answer would delay shutdown for ever.
  await within(patience + TO_SAY_SO + ON_ITS_WAY, ended);
  // Idle persistent connections are closed without waiting for them.
  setTimeout(() => server.closeAllConnections(), ON_ITS_WAY).unref();
  await closed;
  await within(ON_ITS_WAY, ended);
  await within(TO_BE_WRITTEN, context.pool.auditor?.recorded);
  context.pool[Symbol.dispose]();
  await context.indexes[Symbol.asyncDispose]();
  const unwritten = await context.ledger.close(TO_BE_WRITTEN);
  await within(TO_BE_SENT, context.tracer.close());
  await context.fleet[Symbol.asyncDispose]();
  return unwritten;
}
