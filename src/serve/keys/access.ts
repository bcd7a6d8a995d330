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
  if (isLoopback(host) || allowAnonymous || (await keys.list()).length > 0) return;
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

/** Who may call what: a key's scopes; without any keys, everything on loopback. */
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
    const keyless = (await this.keys.list()).length === 0;
    // OpenAI's clients insist on a key, so that people write any where none is needed.
    const secret = keyless ? undefined : bearer(request);
    if (secret === undefined) {
      this.#anonymous(url, scope, keyless);
      return { key: undefined, admin: keyless && isLoopback(this.options.host) };
    }
    const key = await this.keys.find(secret);
    if (!key) throw unauthorised("the key is not known here; it may have been revoked");
    const admin = key.scopes.includes("admin");
    if (scope && !key.scopes.includes(scope) && !admin) throw forbidden(scope);
    return { key, admin };
  }

  #anonymous(url: URL, scope: Scope | undefined, keyless: boolean): void {
    const loopback = isLoopback(this.options.host);
    // A page of a foreign name that resolves to this machine is no local user.
    if (loopback && !isLocalName(url.hostname))
      throw new HttpError(403, `the server is on loopback, and was called as ${url.hostname.slice(0, 60)}`);
    if (scope === undefined) return;
    if (loopback && keyless) return;
    if (!this.options.allowAnonymous) throw unauthorised("a key is needed, in the Authorization header: Bearer …");
    if (scope !== "infer") throw forbidden(scope);
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
