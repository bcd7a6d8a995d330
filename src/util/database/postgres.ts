import type { Pool, PoolClient, QueryResultRow } from "pg";
import { UserError } from "../errors.ts";
import { codeOf } from "../system-errors.ts";

export const isPostgres = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

/**
 * Refuses the address of a different kind of database. `otherwise` begins the error, such as "a ledger is a file".
 * The error shows only the scheme, since an address may hold a password.
 * @throws UserError
 */
export function checkAddress(place: string, otherwise: string): void {
  const [, scheme] = /^([a-z][a-z\d+.-]*):\/\//i.exec(place) ?? [];
  if (place !== "" && (scheme === undefined || isPostgres(place))) return;
  const got = scheme === undefined ? "nothing" : `${scheme}://…`;
  throw new UserError(`${otherwise} or postgres://user@host/database, got ${got}`, 2);
}

/** A kind of data that this program keeps in a database. */
export interface PostgresKind {
  /** The noun for error messages, such as `ledger`. */
  readonly noun: string;
  /** Makes the error for a failed server or connection, after which a retry may work. */
  readonly fault: (sentence: string) => UserError;
}

/** Time limits in milliseconds, for connecting and for an answer. */
const [CONNECT_WITHIN, ANSWER_WITHIN] = [10_000, 30_000];

/** Connections to a Postgres database, which several processes may share. Broken connections are replaced. */
export class Postgres {
  private constructor(
    /** The address without its password. */
    readonly place: string,
    private readonly kind: PostgresKind,
    private readonly pool: Pool,
  ) {
    // An idle connection may break; the next query reports it.
    pool.on("error", () => {});
  }

  /** Connects at the first query. @throws UserError if the address is invalid */
  static async at(address: string, kind: PostgresKind): Promise<Postgres> {
    const { default: pg } = await import("pg");
    const place = withoutPassword(address, kind.noun);
    const timeouts = { connectionTimeoutMillis: CONNECT_WITHIN, query_timeout: ANSWER_WITHIN, keepAlive: true };
    const pool = new pg.Pool({ connectionString: address, application_name: "modicum", max: 4, ...timeouts });
    return new Postgres(place, kind, pool);
  }

  /** Returns a query's rows, with `values` for `$1`, `$2` …. @throws `kind.fault`'s error if the server fails */
  async rows<R extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.#guarded(async () => (await this.pool.query<R>(text, [...values])).rows);
  }

  /** Runs `action` as one transaction on one connection. @throws `kind.fault`'s error if the server fails */
  async transaction<T>(action: (client: PoolClient) => Promise<T>, begin = "BEGIN"): Promise<T> {
    return this.#guarded(async () => {
      const client = await this.pool.connect();
      let done = false;
      try {
        await client.query(begin);
        const result = await action(client);
        await client.query("COMMIT");
        done = true;
        return result;
      } finally {
        // Uncommitted changes are lost with the connection.
        client.release(!done);
      }
    });
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** The error as one sentence if the server or the connection failed; any other error unchanged. */
  #explained(error: unknown): unknown {
    if (!(error instanceof Error) || error instanceof UserError) return error;
    const code = codeOf(error) ?? "";
    // SQLSTATE's classes for data, constraints and syntax: here, the query itself is wrong.
    if (/^(22|23|42(?!501))\w{3}$/.test(code)) return error;
    return this.kind.fault(`the ${this.kind.noun} ${this.place} can't be used: ${error.message || code}`);
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** @throws UserError if the address is invalid */
function withoutPassword(address: string, noun: string): string {
  if (!URL.canParse(address))
    throw new UserError(`the ${noun}'s address is invalid; expected postgres://user@host/database`, 2);
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname}`;
}
