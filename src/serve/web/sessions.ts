import { randomBytes } from "node:crypto";

interface Session {
  /** The admin key that opened the session; kept only in memory. */
  readonly secret: string;
  /** The session's end, as in `Date.now()`. */
  readonly until: number;
}

/** Milliseconds that a session lasts. */
export const LASTS = 12 * 3_600_000;
const MOST = 1000;

/** People who signed in to the console. A restart of the server signs them out. */
export class Sessions {
  readonly #all = new Map<string, Session>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Opens a session for a key; returns its name, for the cookie. */
  open(secret: string): string {
    const id = randomBytes(24).toString("base64url");
    this.#all.set(id, { secret, until: this.now() + LASTS });
    for (const oldest of this.#all.keys()) if (this.#all.size > MOST) this.#all.delete(oldest);
    return id;
  }

  /** The key of a session that has not ended. */
  secretOf(id: string | undefined): string | undefined {
    const session = this.#all.get(id ?? "");
    return session && session.until > this.now() ? session.secret : undefined;
  }

  close(id: string): void {
    this.#all.delete(id);
  }
}
