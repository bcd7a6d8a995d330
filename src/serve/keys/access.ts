import { isIP } from "node:net";
import { UserError } from "../../util/errors.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { type Key, type KeyStore, PREFIX, type Scope } from "./store.ts";

export interface AccessOptions {
  /** The address the server is bound to. */
  readonly host: string;
  /** Allows requests without a key, from any address, to use models. */
  readonly allowAnonymous: boolean;
  /** The host names that a proxy uses for the server. */
  readonly allowHosts?: readonly string[] | undefined;
}

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);

/** The name or address under which other machines reach the server; undefined if they cannot reach it. */
const reachableAt = ({ host, allowHosts = [] }: AccessOptions): string | undefined =>
  isLoopback(host) ? allowHosts[0] : host;

/** @throws UserError if other machines can reach the server, there are no keys, and requests without one are not allowed */
export async function checkBind(keys: KeyStore, options: AccessOptions): Promise<void> {
  const reachable = reachableAt(options);
  // The keys are read whatever the address to bind, so that the store remembers whether there were any keys.
  if ((await keys.list()).length > 0 || reachable === undefined || options.allowAnonymous) return;
  throw new UserError(
    `${reachable} can be reached from other machines, and there are no keys; create one with \`modicum keys create\`, or add --allow-anonymous`,
  );
}

const inQuery = ["api_key", "api-key", "apikey", "access_token", "token"];
/** Receipts are filtered by their `key`'s id. */
const hasKey = ({ searchParams }: URL): boolean =>
  inQuery.some((name) => searchParams.has(name)) ||
  [...searchParams.values()].some((value) => value.startsWith(PREFIX));

/** The caller: a key, or anonymous; if there are no keys, everybody on this machine is an admin. */
export interface Caller {
  readonly key: Key | undefined;
  readonly admin: boolean;
}

/** Checks access: by a key's scopes, or, if no key was ever created, everything from this machine. */
export class Access {
  constructor(
    private readonly keys: KeyStore,
    private readonly options: AccessOptions,
  ) {}

  /** @throws HttpError if the call is not allowed */
  async check(request: Request, { scope, anyHost }: Pick<Endpoint, "scope" | "anyHost">): Promise<Caller> {
    const url = new URL(request.url);
    if (hasKey(url))
      throw unauthorised("an API key in the URL ends up in logs; send it in the Authorization header: Bearer …");
    if (anyHost) return nobody;
    if (scope === undefined) return this.#open(url, request);
    const keyless = (await this.keys.list()).length === 0 && !this.keys.hadAny;
    // OpenAI's clients require a key, so without keys any value is accepted.
    const secret = keyless ? undefined : bearer(request);
    if (secret === undefined) {
      await this.#anonymous(url, scope, keyless);
      return { key: undefined, admin: keyless && !this.#reachable };
    }
    const key = await this.keys.find(secret);
    if (!key) throw unauthorised("unknown API key; it may have been revoked");
    const admin = key.scopes.includes("admin");
    if (!key.scopes.includes(scope) && !admin) throw forbidden(scope);
    return { key, admin };
  }

  get #reachable(): boolean {
    return reachableAt(this.options) !== undefined;
  }

  /** An endpoint that needs no key works even if the keys cannot be read. */
  #open(url: URL, { headers }: Request): Caller {
    if (!headers.has("authorization")) this.#refuseForeign(url);
    return nobody;
  }

  async #anonymous(url: URL, scope: Scope, keyless: boolean): Promise<void> {
    this.#refuseForeign(url);
    if (keyless && !this.#reachable) return;
    if (!this.options.allowAnonymous) throw await this.#keyNeeded();
    if (scope !== "infer") throw forbidden(scope);
  }

  async #keyNeeded(): Promise<HttpError> {
    if ((await this.keys.list()).length > 0)
      return unauthorised("API key required; send it in the Authorization header: Bearer …");
    return unauthorised("API key required, but all keys are revoked; create one or restart");
  }

  /** Refuses foreign host names: a web page whose name resolves to this machine must not act as a local user. */
  #refuseForeign({ hostname }: URL): void {
    const { host, allowHosts = [] } = this.options;
    if (!isLoopback(host) || isLocalName(hostname) || allowHosts.includes(hostname)) return;
    const name = hostname.slice(0, 60);
    throw new HttpError(403, `refused Host "${name}": use localhost or send a key, or start with --allow-host ${name}`);
  }
}

const nobody: Caller = { key: undefined, admin: false };

const isLocalName = (name: string): boolean => isLoopback(name) || isIP(name.replace(/^\[|\]$/g, "")) !== 0;

function bearer(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  if (header === null) return undefined;
  const [, secret] = /^Bearer +(\S+)$/i.exec(header) ?? [];
  if (secret === undefined) throw unauthorised("malformed Authorization header; expected: Bearer …");
  return secret;
}

export const unauthorised = (message: string) =>
  new HttpError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });

const forbidden = (scope: Scope) => new HttpError(403, `this call needs the scope ${scope}`, { code: "missing_scope" });
