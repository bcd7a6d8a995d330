import { AccountTable } from "./store/accounts.ts";
import { FetchedTable } from "./store/fetched.ts";
import { OutboxTable } from "./store/outbox.ts";
import { PaperTable } from "./store/papers.ts";
import { isPostgres, openPostgres } from "./store/postgres.ts";
import { ReaderTable } from "./store/readers.ts";
import { ReceiptTable } from "./store/receipts.ts";
import { openSqlite } from "./store/sqlite.ts";
import { SubscriptionTable } from "./store/subscriptions.ts";
import { TopicTable } from "./store/topics.ts";

/** All data that the application stores, except its search index. */
export interface Store {
  readonly papers: PaperTable;
  readonly readers: ReaderTable;
  readonly accounts: AccountTable;
  readonly topics: TopicTable;
  readonly receipts: ReceiptTable;
  readonly fetched: FetchedTable;
  readonly subscriptions: SubscriptionTable;
  readonly outbox: OutboxTable;
  close(): Promise<void>;
}

/**
 * Opens the store in an SQLite file, in memory (`:memory:`), or in a Postgres database (`postgres://…`); creates it if
 * it is missing.
 * @throws UserError
 */
export async function openStore(place: string): Promise<Store> {
  const db = isPostgres(place) ? await openPostgres(place) : openSqlite(place);
  return {
    papers: new PaperTable(db),
    readers: new ReaderTable(db),
    accounts: new AccountTable(db),
    topics: new TopicTable(db),
    receipts: new ReceiptTable(db),
    fetched: new FetchedTable(db),
    subscriptions: new SubscriptionTable(db),
    outbox: new OutboxTable(db),
    close: () => db.close(),
  };
}
