import type { z } from "zod";
import { faultOf } from "../../util/checked.ts";
import { suggest } from "../../util/errors.ts";
import type { Key, Scope } from "../keys/store.ts";
import type { Trace } from "../trace/trace.ts";
import { HttpError } from "./errors.ts";
import type { Events } from "./stream.ts";

/** One request, as its endpoint sees it. */
export interface Call {
  /** Aborted when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  /** The caller's key, if any. */
  readonly key: Key | undefined;
  /** True if the caller may see and change shared settings. */
  readonly admin: boolean;
  readonly trace: Trace;
  /** The time of arrival, as in `performance.now()`. */
  readonly taken: number;
  /** The parameters in the path. */
  readonly params: Readonly<Record<string, string>>;
}

/** One operation of the server: its input and output schemas, which are the source of the documentation, and its code. */
export interface Endpoint<In extends z.ZodType = z.ZodType> {
  readonly method: "get" | "post" | "delete";
  /** Paths such as `/v1/receipts/{id}`; later paths are aliases of the first. */
  readonly paths: readonly string[];
  readonly summary: string;
  /** Descriptions of the parameters in the paths. */
  readonly params?: Readonly<Record<string, string>>;
  /** The scope that keys need to call the endpoint; undefined: no key is needed. */
  readonly scope?: Scope | undefined;
  /** True if the endpoint accepts any Host header, such as a proxy's or a load balancer's. */
  readonly anyHost?: true;
  /** The schema of a POST's body, or of another method's query. */
  readonly input?: In;
  /** A short input for the documentation. */
  readonly example?: z.input<In>;
  /** The schema of the answer; undefined if it is not JSON. */
  readonly output?: z.ZodType;
  /** The schema of the stream's events, if the endpoint can stream. */
  readonly event?: z.ZodType;
  /** True if the handler calls another endpoint, which forwards requests for remote models. */
  readonly translates?: true;
  /** Answers a request; an object is sent as JSON. */
  handle(input: z.output<In>, call: Call): Promise<object | Events | Response>;
}

/** Checks that an endpoint's handler accepts its input's type. */
export const endpoint = <In extends z.ZodType = z.ZodUndefined>(it: Endpoint<In>): Endpoint =>
  it as unknown as Endpoint;

/** True if a call makes a model run, so that the key's rates apply. */
export const isAsking = ({ method, scope }: Endpoint): boolean => method === "post" && scope === "infer";

/** Parses a request's input. @throws HttpError that names the field, the expected and the actual value */
export function accepted<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, reason } = faultOf(result.error, value);
  const param = path.join(".");
  throw new HttpError(400, param === "" ? `the request: ${reason}` : `${param}: ${reason}`, { param });
}

/** @throws HttpError */
export function notFound(path: string, known: readonly string[]): never {
  throw new HttpError(404, `there is nothing at ${path.slice(0, 100)}${suggest(path, known)}`, { code: "not_found" });
}
