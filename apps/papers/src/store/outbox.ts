import type { Receipt } from "modicum";
import type { Wish } from "../mail/wish.ts";
import type { Database } from "./database.ts";

/** The contents of an email when it is sent. */
export type Content =
  | { readonly kind: "confirm"; readonly wish: Wish }
  | { readonly kind: "sign-in" }
  | { readonly kind: "digest"; readonly papers: readonly string[]; readonly receipt: Receipt | null };

/**
 * `unknown`: the text was about to be sent to the mail server, which may have accepted it; the email is never sent
 * again. `refused`: the mail server refuses it permanently.
 */
export type MailState = "waiting" | "unknown" | "sent" | "refused";

/** An email to be sent once. */
export interface Mail {
  /** The email's Message-ID without brackets, the same in each attempt. */
  readonly message: string;
  readonly address: string;
  readonly period: string;
  readonly state: MailState;
  readonly content: Content;
  readonly at: number;
  /** The number of failed attempts. */
  readonly tries: number;
  /** The time of the next attempt. */
  readonly next: number;
  readonly detail: string | null;
}

interface MailRow extends Omit<Mail, "content"> {
  readonly content: string;
}

const mailOf = ({ content, ...row }: MailRow): Mail => ({ ...row, content: JSON.parse(content) as Content });

/** Waiting mail, and the outcomes of sent mail. Each change of state is stored before the next step. */
export class OutboxTable {
  constructor(private readonly db: Database) {}

  /** Adds an email, unless one of its kind exists for this address and period. Returns whether it was added. */
  async add(mail: Pick<Mail, "message" | "address" | "period" | "content" | "at">): Promise<boolean> {
    const { content, ...values } = mail;
    const rows = await this.db.rows(
      `INSERT INTO outbox (message, kind, address, period, state, content, at, tries, next)
       VALUES (:message, :kind, :address, :period, 'waiting', :content, :at, 0, :at) ON CONFLICT DO NOTHING RETURNING at`,
      { ...values, kind: content.kind, content: JSON.stringify(content) },
    );
    return rows.length > 0;
  }

  /** Mail whose next attempt is due, oldest first. */
  async due(now: number): Promise<Mail[]> {
    const sql = "SELECT * FROM outbox WHERE state = 'waiting' AND next <= :now ORDER BY at, message";
    return (await this.db.rows<MailRow>(sql, { now })).map(mailOf);
  }

  /** Marks an email before its text is sent; false if another process has already done so. */
  async mark(message: string): Promise<boolean> {
    const sql = "UPDATE outbox SET state = 'unknown' WHERE message = :message AND state = 'waiting' RETURNING message";
    return (await this.db.rows(sql, { message })).length > 0;
  }

  async settle(message: string, state: Exclude<MailState, "waiting">, detail: string | null = null): Promise<void> {
    const sql = "UPDATE outbox SET state = :state, detail = :detail WHERE message = :message";
    await this.db.rows(sql, { message, state, detail });
  }

  /** Adds an explanation to mail in the state `unknown` that has none. Returns the Message-IDs. */
  async explain(detail: string): Promise<string[]> {
    const sql = "UPDATE outbox SET detail = :detail WHERE state = 'unknown' AND detail IS NULL RETURNING message";
    return (await this.db.rows<{ message: string }>(sql, { detail })).map(({ message }) => message);
  }

  /** Postpones to its next attempt an email that the server did not accept. */
  async postpone(message: string, next: number, detail: string): Promise<void> {
    const sql = `UPDATE outbox SET state = 'waiting', tries = tries + 1, next = :next, detail = :detail
      WHERE message = :message`;
    await this.db.rows(sql, { message, next, detail });
  }

  /** Deletes records of confirmation and sign-in links sent before a time, except waiting mail. */
  async forgetAsked(before: number): Promise<void> {
    const sql = "DELETE FROM outbox WHERE kind <> 'digest' AND state <> 'waiting' AND at < :before";
    await this.db.rows(sql, { before });
  }

  /** Mail of one kind to an address, newest first. */
  async to(address: string, kind: Content["kind"]): Promise<Mail[]> {
    const sql = "SELECT * FROM outbox WHERE address = :address AND kind = :kind ORDER BY at DESC";
    return (await this.db.rows<MailRow>(sql, { address, kind })).map(mailOf);
  }

  /** The number of emails in each state, without addresses. */
  async counts(): Promise<Readonly<Record<MailState, number>>> {
    const rows = await this.db.rows<{ state: MailState; mails: number }>(
      "SELECT state, count(*) AS mails FROM outbox GROUP BY state",
    );
    const of = (state: MailState) => Number(rows.find((row) => row.state === state)?.mails ?? 0);
    return { waiting: of("waiting"), unknown: of("unknown"), sent: of("sent"), refused: of("refused") };
  }
}
