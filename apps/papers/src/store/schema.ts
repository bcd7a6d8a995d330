/** Marks the SQLite file as ours: "MPap". */
export const APPLICATION_ID = 0x4d506170;

/** Migrations, in SQL that SQLite and Postgres share. */
export const steps: readonly string[] = [
  `
CREATE TABLE papers (
  id TEXT PRIMARY KEY, arxiv TEXT UNIQUE, title_key TEXT NOT NULL, title TEXT NOT NULL, abstract TEXT NOT NULL,
  authors TEXT, author_count INTEGER, published TEXT, year_assumed INTEGER NOT NULL, votes INTEGER, comments INTEGER,
  links TEXT NOT NULL, categories TEXT NOT NULL
);
CREATE INDEX papers_title ON papers (title_key);
CREATE TABLE moved (old TEXT PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE pending (paper TEXT NOT NULL, task TEXT NOT NULL, PRIMARY KEY (paper, task));
CREATE TABLE listings (
  paper TEXT NOT NULL, day TEXT NOT NULL, number INTEGER NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (paper, day)
);
CREATE INDEX listings_day ON listings (day);
CREATE TABLE summaries (
  paper TEXT PRIMARY KEY, text TEXT NOT NULL, keywords TEXT NOT NULL, model TEXT NOT NULL, recipe TEXT NOT NULL,
  made BIGINT NOT NULL
);
CREATE TABLE fetched (url TEXT PRIMARY KEY, etag TEXT, modified TEXT);
CREATE TABLE marks (
  paper TEXT NOT NULL, reader TEXT NOT NULL, kind TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (paper, reader, kind)
);
CREATE INDEX marks_reader ON marks (reader);
CREATE TABLE tags (paper TEXT NOT NULL, reader TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (paper, reader, tag));
CREATE INDEX tags_reader ON tags (reader);
CREATE TABLE topics (label TEXT PRIMARY KEY, place INTEGER NOT NULL);
CREATE TABLE paper_topics (
  paper TEXT NOT NULL, label TEXT NOT NULL, score DOUBLE PRECISION NOT NULL, PRIMARY KEY (paper, label)
);
CREATE INDEX paper_topics_label ON paper_topics (label);
CREATE TABLE receipts (id TEXT PRIMARY KEY, paper TEXT, task TEXT NOT NULL, at BIGINT NOT NULL, receipt TEXT NOT NULL);
CREATE INDEX receipts_paper ON receipts (paper);
CREATE TABLE subscriptions (
  id TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE, state TEXT NOT NULL, wish TEXT NOT NULL, fault TEXT,
  since BIGINT NOT NULL
);
CREATE TABLE tokens (hash TEXT PRIMARY KEY, purpose TEXT NOT NULL, subject TEXT NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE outbox (
  message TEXT PRIMARY KEY, kind TEXT NOT NULL, address TEXT NOT NULL, period TEXT NOT NULL, state TEXT NOT NULL,
  content TEXT NOT NULL, at BIGINT NOT NULL, tries INTEGER NOT NULL, next BIGINT NOT NULL, detail TEXT,
  UNIQUE (kind, address, period)
);
CREATE INDEX outbox_state ON outbox (state, next);
`,
  `
CREATE TABLE accounts (address TEXT PRIMARY KEY, reader TEXT NOT NULL UNIQUE, since BIGINT NOT NULL);
CREATE TABLE browsers (browser TEXT PRIMARY KEY, reader TEXT NOT NULL);
CREATE INDEX browsers_reader ON browsers (reader);
`,
  // Topics older than the comparison with a reference collection are recomputed at the next import.
  "INSERT INTO pending SELECT id, 'topics' FROM papers WHERE true ON CONFLICT DO NOTHING",
];
