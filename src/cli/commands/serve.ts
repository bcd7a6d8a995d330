import { existsSync } from "node:fs";
import { totalmem } from "node:os";
import type { Command } from "commander";
import type { Logger } from "pino";
import { z } from "zod";
import { checkPlace } from "../../ledger/store.ts";
import { deviceOptions } from "../../runtime/device.ts";
import { endAtOnce } from "../../runtime/libc.ts";
import { requireDevice } from "../../runtime/webgpu.ts";
import type { RemoteOptions, Serving } from "../../serve/index.ts";
import { UserError } from "../../util/errors.ts";
import { flagHelp } from "../../util/named-options.ts";
import { version } from "../../util/package-root.ts";
import { quants } from "../../weights/prepared/quant.ts";
import { prefixesFolder, type ResolvedModel, receiptsFile, resolveModel } from "../../weights/sources/index.ts";
import { GLOVE, openGlove } from "../../weights/vectors/glove.ts";
import type { WordVectors } from "../../weights/vectors/word-vectors.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { common, examples, STORE } from "../help.ts";
import { showDownload } from "../progress.ts";
import { stopSignal } from "../stop-signal.ts";

const bindOptions = z.strictObject({
  host: z.string().default("127.0.0.1").describe("address to listen on").register(flagHelp, { common: true }),
  allowHost: z
    .array(z.string().regex(/^[\w-]+(\.[\w-]+)*$/, "expected a name such as api.example.org"))
    .default([])
    .describe("an additional Host name to accept, such as a proxy's"),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .default(8080)
    .describe("port to listen on; 0 picks a free one")
    .register(flagHelp, { common: true }),
  metricsPort: z.int().min(0).max(65_535).optional().describe("port that serves only /metrics, without a key"),
  keys: z
    .string()
    .optional()
    .describe("file of API keys, such as a mounted secret (default: in MODICUM_HOME)")
    .register(flagHelp, { value: "file" }),
  memory: z
    .number()
    .positive()
    .optional()
    .describe("GB of memory for models, by file size (default: half of this machine's)")
    .register(flagHelp, { common: true }),
  cacheDisk: z
    .string()
    .regex(/^\d+(\.\d+)?GB$/, "expected a size such as 20GB")
    .transform((size) => Number.parseFloat(size) * 1e9)
    .optional()
    .describe("maximum disk space to keep prompt prefixes across restarts, such as 20GB (default: none)"),
  keepAlive: z
    .number()
    .min(0)
    .max(20_000)
    .optional()
    .describe("minutes before an unused model is unloaded (default: until another model needs its memory)")
    .register(flagHelp, { common: true }),
  quant: z
    .enum(quants)
    .default("auto")
    .describe("form of the weights, as in run; a recipe measured in another form keeps that form"),
  ledger: z
    .string()
    .optional()
    .describe("where receipts are kept: a file, or postgres://…, which servers can share")
    .register(flagHelp, { value: "file" }),
  audit: z
    .number()
    .min(0)
    .max(1, "expected a share from 0 to 1")
    .default(0)
    .describe("share of conversations under certificates to check against dense when the server is idle"),
  logPrompts: z.boolean().default(false).describe("log whole requests with their prompts; otherwise no text is logged"),
  console: z.boolean().default(true).describe("show the console at /"),
  lab: z
    .string()
    .optional()
    .describe("folder of lab runs whose frontiers the console shows")
    .register(flagHelp, { value: "folder" }),
  drain: z.number().min(0).default(30).describe("seconds that running requests have after a stop signal"),
});

interface Flags extends Readonly<Record<string, unknown>> {
  model?: string[];
  adapter?: string[];
  save?: string[];
  remote?: string[];
  fleet?: string;
  index?: string[];
  store?: string;
  allowAnonymous?: boolean;
}

export async function define(command: Command): Promise<void> {
  const { limitOptions } = await import("../../serve/limits.ts");
  const { schedulerOptions } = await import("../../engine/schedule/scheduler.ts");
  command
    .optionsGroup("Models:")
    .addOption(
      common(
        "--model <model>",
        "MODEL, name=MODEL, A>B@share=0.3, A+first, or glove; may be repeated (default: smollm2)",
      ).argParser(collect),
    )
    .addOption(
      common("--adapter <name=folder>", "a LoRA adapter, requested as model NAME; may be repeated").argParser(collect),
    )
    .addOption(
      common(
        "--save <saving>",
        "a saving, or MODEL@NAME, for chats and completions that name none; may be repeated",
      ).argParser(collect),
    )
    .addOption(common("--index <name>", "a search index to serve; may be repeated").argParser(collect))
    .option("--store <address>", STORE)
    .option("--remote <name=url>", "a model on other Modicum servers, NAME=URL,URL; may be repeated", collect)
    .option("--fleet <file>", "a YAML or JSON file of models on other servers")
    .optionsGroup("Server:")
    .addOption(common("--allow-anonymous", "allow requests without a key from any address"));
  addFlags(command, bindOptions, "Server");
  addFlags(command, deviceOptions, "Models");
  addFlags(command, limitOptions, "Limits of a request");
  addFlags(command, schedulerOptions, "Limits of the server").action(serveModels);
  examples(
    command,
    "modicum serve --model smollm2 --port 8080",
    "modicum serve --model smollm2 --save lookup --index notes",
  );
}

async function serveModels(flags: Flags): Promise<void> {
  const { createLog, endUnread, standardError } = await import("../../serve/index.ts");
  const [log, stop] = [createLog(standardError()), stopSignal(endAtOnce)];
  const bind = readFlags(bindOptions, flags);
  const serving = await opened(bind, flags, log, stop);
  try {
    await Promise.race([serving.warm.then(() => log.info("ready")), aborted(stop)]);
    await aborted(stop);
  } finally {
    log.info("stopping");
    if ((await serving.stop(bind.drain * 1000)) > 0) process.exitCode = 1;
    endUnread();
  }
}

async function opened(
  bind: z.output<typeof bindOptions>,
  flags: Flags,
  log: Logger,
  signal: AbortSignal,
): Promise<Serving> {
  const { schedulerOptions } = await import("../../engine/schedule/scheduler.ts");
  const { PrefixFolder } = await import("../../engine/decode/state/prefix-folder.ts");
  const { Catalogue, checkBind, Fleet, Indexes, KeyStore, limitOptions, serve, tracerFrom } = await import(
    "../../serve/index.ts"
  );
  const {
    host,
    port,
    metricsPort,
    keys: keysFile,
    allowHost,
    memory = totalmem() / 2e9,
    cacheDisk,
    keepAlive,
    ledger = receiptsFile(),
    logPrompts,
    quant,
    lab,
    audit,
  } = bind;
  const [limits, scheduling] = [readFlags(limitOptions, flags), readFlags(schedulerOptions, flags)];
  const { device } = readFlags(deviceOptions, flags);
  await requireDevice(device);
  checkPlace(ledger);
  // Without this check, a mistyped path would start a server without keys.
  if (keysFile !== undefined && !existsSync(keysFile)) throw new UserError(`--keys: there is no file ${keysFile}`, 2);
  const keys = new KeyStore(keysFile);
  const allowHosts = allowHost.map((name) => name.toLowerCase());
  const bound = {
    host,
    port,
    metricsPort,
    allowHosts,
    memory: memory * 1e9,
    allowAnonymous: flags.allowAnonymous === true,
  };
  // Access is checked before anything is downloaded.
  await checkBind(keys, bound);
  const fleet = await Fleet.open(await remotes(flags), log);
  const elsewhere = fleet.list().map(({ options }) => options.name);
  const own = flags.model ?? (elsewhere.length > 0 ? [] : ["smollm2"]);
  const models = own.filter((model) => model !== GLOVE);
  const vectors = own.includes(GLOVE) ? await glove(signal) : undefined;
  const resolve = (model: string) => resolved(model, signal);
  const usual = flags.save ?? [];
  const opening = { resolve, elsewhere, adapters: flags.adapter ?? [], quant, device, usual };
  const catalogue = await Catalogue.open(models, opening);
  for (const notice of await catalogue.checkUsual()) log.warn(notice);
  const indexes = await Indexes.open(flags.index ?? [], flags.store);
  const serving = await serve({
    ...{
      catalogue,
      fleet,
      keys,
      indexes,
      vectors,
      ledger,
      log,
      limits,
      scheduling,
      logPrompts,
      audit,
      version: version(),
      ...bound,
    },
    prefixes:
      cacheDisk === undefined ? undefined : new PrefixFolder(prefixesFolder(), cacheDisk, (notice) => log.warn(notice)),
    keepAlive: keepAlive && keepAlive * 60_000,
    console: bind.console ? { lab } : undefined,
    tracer: await tracerFrom(process.env, version(), log),
  });
  const { url, metricsUrl } = serving;
  log.info({ url, metricsUrl, models: [...catalogue.names, ...(vectors ? [GLOVE] : [])] }, "listening");
  return serving;
}

/** The models on other servers. */
async function remotes({ remote = [], fleet }: Flags): Promise<RemoteOptions[]> {
  const { readFleet, remoteFromText } = await import("../../serve/index.ts");
  return [...remote.map(remoteFromText), ...(fleet === undefined ? [] : await readFleet(fleet))];
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

async function glove(signal: AbortSignal): Promise<WordVectors> {
  using download = showDownload(GLOVE);
  return await openGlove({ signal, ...download });
}

async function resolved(model: string, signal: AbortSignal): Promise<ResolvedModel> {
  using download = showDownload(model);
  return await resolveModel(model, { signal, ...download });
}
