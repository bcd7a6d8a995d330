import path from "node:path";
import { z } from "zod";
import { type Shape, shapeOf } from "../../engine/bill/shape.ts";
import { checked } from "../../util/checked.ts";
import { inFile, UserError } from "../../util/errors.ts";
import { readValues } from "../../util/values-file.ts";
import { jsonObject, readJson } from "../../weights/json-file.ts";
import { LENGTHS } from "./lengths.ts";

const address = z
  .url({ protocol: /^https?$/, error: "expected an address such as http://10.0.0.5:8000" })
  .refine((text) => !/\/\/[^/]*@/.test(text), "expected an address without a user's name or password");

/** A server's health check. */
const health = z.strictObject({
  path: z
    .string()
    .startsWith("/")
    .optional()
    .describe("path to GET for the check; default /health, or /v1/models if there is none"),
  interval: z.number().min(0.05).max(3600).default(5).describe("seconds between checks"),
  timeout: z.number().min(0.05).max(600).default(5).describe("seconds to wait for a check's answer"),
  failures: z.int().min(1).max(100).default(3).describe("failed checks in a row before a server counts as down"),
});
type HealthOptions = z.output<typeof health>;

const server = z
  .union(
    [address, z.strictObject({ name: z.string().min(1).max(100), url: address })],
    "expected an address, or { name, url }",
  )
  .transform((entry) => (typeof entry === "string" ? { name: new URL(entry).host, url: entry } : entry));

const pass = z
  .array(
    z
      .string()
      .regex(/^\w{1,100}$/, "expected a field's name")
      .refine(
        (name) => !LENGTHS.includes(name),
        "expected no field that sets an answer's length, which this server sets",
      ),
  )
  .max(100)
  .default([])
  .describe("further fields of chats and completions to pass on to the servers");

const remote = z.strictObject({
  name: z
    .string()
    .regex(/^[^@\s]{1,200}$/, "expected a name without @ or spaces")
    .describe("the model's name in requests"),
  servers: z.array(server).min(1).max(100),
  model: z.string().min(1).max(300).optional().describe("the model's name on the servers, if different"),
  kind: z
    .enum(["openai", "modicum"])
    .default("openai")
    .describe("modicum: forward savings, and use the figures of the servers' receipts, marked as estimated"),
  shape: z
    .union([z.string().min(1), jsonObject], "expected the path of a config.json, or its content")
    .optional()
    .describe("the shape from which receipts are estimated"),
  key: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, "expected the name of an environment variable")
    .optional()
    .describe("the environment variable that holds the servers' API key"),
  health: health.prefault({}),
  pass,
  rows: z.int().min(1).default(64).describe("maximum running requests per server"),
  queue: z.int().min(0).default(128).describe("maximum waiting requests; more are refused"),
});

const fleetFile = z.strictObject({ models: z.array(remote).min(1).max(1000) });

/** A model on other servers. */
export interface RemoteOptions {
  readonly name: string;
  readonly model: string;
  readonly kind: "openai" | "modicum";
  readonly servers: readonly { readonly name: string; readonly url: string }[];
  readonly shape: Shape | undefined;
  /** The servers' API key. */
  readonly key: string | undefined;
  readonly health: HealthOptions;
  /** Further request fields to forward to the servers. */
  readonly pass: readonly string[];
  /** The maximum number of running requests per server, and of waiting requests. */
  readonly rows: number;
  readonly queue: number;
}

/** Reads a fleet file's models; paths are relative to the file's folder. @throws UserError */
export async function readFleet(file: string, env: NodeJS.ProcessEnv = process.env): Promise<RemoteOptions[]> {
  const values = await readValues(file, "the fleet");
  const { models } = inFile(file, () => checked(fleetFile, values));
  const inThis = (error: unknown): never =>
    inFile(file, () => {
      throw error;
    });
  return Promise.all(models.map((model) => remoteOf(model, path.dirname(file), env).catch(inThis)));
}

async function remoteOf(
  model: z.output<typeof remote>,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<RemoteOptions> {
  const { name, kind } = model;
  if (model.shape === undefined && kind === "openai")
    throw new UserError(`"${name}" needs the model's shape to estimate receipts: set shape to its config.json`);
  const key = model.key === undefined ? undefined : env[model.key];
  if (model.key !== undefined && !key) throw new UserError(`"${name}": the environment has no ${model.key}`);
  return { ...model, model: model.model ?? name, key, shape: await shapeFrom(model.shape, name, folder) };
}

async function shapeFrom(
  shape: z.output<typeof remote>["shape"],
  name: string,
  folder: string,
): Promise<Shape | undefined> {
  if (shape === undefined) return undefined;
  if (typeof shape !== "string") return priced(shape, `the shape of "${name}"`);
  const file = path.resolve(folder, shape);
  return priced(readJson(file, jsonObject, "the model's config.json"), file);
}

/** Ignores quantization, which does not change a shape. */
const priced = ({ quantization_config: _, ...config }: z.output<typeof jsonObject>, place: string): Promise<Shape> =>
  shapeOf(config, place);

/** Parses `NAME=URL[,URL…]`: the model NAME on Modicum servers. @throws UserError */
export function remoteFromText(text: string): RemoteOptions {
  const [, name, urls] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new UserError(`--remote: expected NAME=URL or NAME=URL,URL, got "${text}"`, 2);
  const read = remote.safeParse({ name, kind: "modicum", servers: urls!.split(",") });
  if (!read.success) throw new UserError(`--remote ${text}: ${read.error.issues[0]!.message}`, 2);
  return { ...read.data, model: name, key: undefined, shape: undefined };
}
