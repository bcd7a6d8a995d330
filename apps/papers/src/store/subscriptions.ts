import { randomUUID } from "node:crypto";
import { hashOf, LIFETIME, newToken, type Purpose } from "../mail/tokens.ts";
import { type Wish, wishSchema } from "../mail/wish.ts";
import type { Database } from "./database.ts";

/** `stopped`: the mail server refused the address permanently. */
export type SubscriptionState = "active" | "unsubscribed" | "stopped";

export interface Subscription {
  readonly id: string;
  readonly address: string;
  readonly state: SubscriptionState;
  readonly wish: Wish;
  /** The reason why the subscription was stopped. */
  readonly fault: string | null;
}

interface SubscriptionRow extends Omit<Subscription, "wish"> {
  readonly wish: string;
}

const subscriptionOf = ({ wish, ...row }: SubscriptionRow): Subscription => ({
  ...{ id: row.id, address: row.address, state: row.state, fault: row.fault },
  wish: wishSchema.parse(JSON.parse(wish)),
});

/** Subscriptions, and the tokens of links to them. */
export class SubscriptionTable {
  constructor(private readonly db: Database) {}

  /** Creates or renews an address's subscription. */
  async activate(address: string, wish: Wish): Promise<Subscription> {
    const [row] = await this.db.rows<SubscriptionRow>(
      `INSERT INTO subscriptions (id, address, state, wish, since) VALUES (:id, :address, 'active', :wish, :since)
       ON CONFLICT (address) DO UPDATE SET state = 'active', wish = excluded.wish, fault = NULL RETURNING *`,
      { id: randomUUID(), address, wish: JSON.stringify(wish), since: Date.now() },
    );
    return subscriptionOf(row!);
  }

  async active(): Promise<Subscription[]> {
    const sql = "SELECT * FROM subscriptions WHERE state = 'active' ORDER BY since, id";
    return (await this.db.rows<SubscriptionRow>(sql)).map(subscriptionOf);
  }

  async of(address: string): Promise<Subscription | undefined> {
    const [row] = await this.db.rows<SubscriptionRow>("SELECT * FROM subscriptions WHERE address = :address", {
      address,
    });
    return row && subscriptionOf(row);
  }

  async end(address: string, state: Exclude<SubscriptionState, "active">, fault: string | null = null): Promise<void> {
    const sql = "UPDATE subscriptions SET state = :state, fault = :fault WHERE address = :address";
    await this.db.rows(sql, { address, state, fault });
  }

  /** Deletes expired tokens. */
  async forgetTokens(now: number): Promise<void> {
    await this.db.rows("DELETE FROM tokens WHERE expires < :now", { now });
  }

  /** Creates a token that stands for `subject`. */
  async token(purpose: Purpose, subject: string, now: number): Promise<string> {
    const token = newToken();
    const sql = "INSERT INTO tokens VALUES (:hash, :purpose, :subject, :expires)";
    await this.db.rows(sql, { hash: hashOf(token), purpose, subject, expires: now + LIFETIME[purpose] });
    return token;
  }

  /** The subject of a token; undefined if it is unknown or has expired. */
  async subject(purpose: Purpose, token: string, now: number): Promise<string | undefined> {
    const sql = "SELECT subject FROM tokens WHERE hash = :hash AND purpose = :purpose AND expires >= :now";
    return (await this.db.rows<{ subject: string }>(sql, { hash: hashOf(token), purpose, now }))[0]?.subject;
  }
}
