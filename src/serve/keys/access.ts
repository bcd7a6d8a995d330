import { isIP } from "node:net";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import { type Key, type KeyStore, PREFIX, type Scope } from "./store.ts";

export interface AccessOptions {
  /** What the server is bound to. */
  readonly host: string;
  /** Lets requests without a key ask models, from wherever they come. */
  readonly allowAnonymous: boolean;
}

export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);

/** @throws UserError where everybody on the network could use the server without having meant to allow it */
export async function checkBind(keys: KeyStore, { host, allowAnonymous }: AccessOptions): Promise<void> {
  // Read wherever the server is bound: from then on it is known to have had keys.
  if ((await keys.list()).length > 0 || isLoopback(host) || allowAnonymous) return;
  throw new UserError(
    `${host} can be reached from other machines, and there are no keys; make one with \`modicum keys create\`, or say --allow-anonymous`,
  );
}

const inQuery = ["api_key", "api-key", "apikey", "access_token", "token"];
/** Receipts are asked for by the id of their `key`. */
const hasKey = ({ searchParams }: URL): boolean =>
  inQuery.some((name) => searchParams.has(name)) ||
  [...searchParams.values()].some((value) => value.startsWith(PREFIX));

/** Who calls: a key, or nobody known; where there are no keys, everybody on this machine is an admin. */
export interface Caller {
  readonly key: Key | undefined;
  readonly admin: boolean;
}

/** Who may call what: a key's scopes; while there never was a key, everything on loopback. */
export class Access {
  constructor(
    private readonly keys: KeyStore,
    private readonly options: AccessOptions,
  ) {}

  /** @throws HttpError where the call may not be made */
  async check(request: Request, scope: Scope | undefined): Promise<Caller> {
    const url = new URL(request.url);
    if (hasKey(url))
      throw unauthorised("a key in the address ends up in logs; send it in the Authorization header: Bearer …");
    if (scope === undefined) return this.#open(url, request);
    const keyless = (await this.keys.list()).length === 0 && !this.keys.hadAny;
    // OpenAI's clients insist on a key, so that people write any where none is needed.
    const secret = keyless ? undefined : bearer(request);
    if (secret === undefined) {
      await this.#anonymous(url, scope, keyless);
      return { key: undefined, admin: keyless && isLoopback(this.options.host) };
    }
    const key = await this.keys.find(secret);
    if (!key) throw unauthorised("the key is not known here; it may have been revoked");
    const admin = key.scopes.includes("admin");
    if (!key.scopes.includes(scope) && !admin) throw forbidden(scope);
    return { key, admin };
  }

  /** What needs no key is answered whatever becomes of the keys. */
  #open(url: URL, { headers }: Request): Caller {
    if (!headers.has("authorization")) this.#refuseForeign(url);
    return { key: undefined, admin: false };
  }

  async #anonymous(url: URL, scope: Scope, keyless: boolean): Promise<void> {
    this.#refuseForeign(url);
    if (isLoopback(this.options.host) && keyless) return;
    if (!this.options.allowAnonymous) throw await this.#keyNeeded();
    if (scope !== "infer") throw forbidden(scope);
  }

  async #keyNeeded(): Promise<HttpError> {
    if ((await this.keys.list()).length > 0)
      return unauthorised("a key is needed, in the Authorization header: Bearer …");
    return unauthorised("a key is needed, and all there were are gone; make one, or start the server anew");
  }

  /** A page of a foreign name that resolves to this machine is no local user. */
  #refuseForeign({ hostname }: URL): void {
    if (isLoopback(this.options.host) && !isLocalName(hostname))
      throw new HttpError(403, `the server is on loopback, and was called as ${hostname.slice(0, 60)}`);
  }
}

const isLocalName = (name: string): boolean => isLoopback(name) || isIP(name.replace(/^\[|\]$/g, "")) !== 0;

function bearer(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  if (header === null) return undefined;
  const [, secret] = /^Bearer +(\S+)$/i.exec(header) ?? [];
  if (secret === undefined) throw unauthorised("the Authorization header is not of the form: Bearer …");
  return secret;
}

export const unauthorised = (message: string) =>
  new HttpError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });

const forbidden = (scope: Scope) =>
  new HttpError(403, `the scope ${scope} is needed, which this call does not have`, { code: "missing_scope" });
