type Value = string | number | null;
export type Values = Readonly<Record<string, Value>>;

export interface Queries {
  /** Runs one statement, with `:name` for a value. Returns its rows, if any. */
  rows<T = Readonly<Record<string, unknown>>>(sql: string, values?: Values): Promise<T[]>;
}

/** The application's database. Its SQL is the subset common to SQLite and Postgres. */
export interface Database extends Queries {
  /** Runs `work` as one isolated transaction, which is undone if `work` throws. */
  together<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Removes deleted data from the write-ahead log, if this database can. */
  clearLog(): Promise<void>;
  close(): Promise<void>;
}

/** `(:list0, :list1)` and its values, for SQL's `IN`. An empty list matches nothing. */
export function listed(name: string, all: readonly string[]): { sql: string; values: Values } {
  if (all.length === 0) return { sql: "(NULL)", values: {} };
  const names = all.map((_, i) => `${name}${i}`);
  return {
    sql: `(${names.map((each) => `:${each}`).join(", ")})`,
    values: Object.fromEntries(names.map((each, i) => [each, all[i]!])),
  };
}
