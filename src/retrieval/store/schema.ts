/** Marks the file as an index among SQLite databases: "MODX" in ASCII. */
export const APPLICATION_ID = 0x4d4f4458;

/** Migrations of an index in SQLite, in order; the version is the number applied. */
export const sqliteSteps: readonly string[] = [
  `CREATE TABLE info (
  settings TEXT NOT NULL,
  next_chunk INTEGER NOT NULL,
  documents INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  terms INTEGER NOT NULL,
  removals INTEGER NOT NULL
) STRICT;
CREATE TABLE documents (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  categories TEXT NOT NULL,
  metadata TEXT NOT NULL,
  source TEXT,
  hash TEXT NOT NULL,
  chunks INTEGER NOT NULL
) STRICT;
CREATE INDEX documents_source ON documents (source);
CREATE TABLE chunks (
  chunk INTEGER PRIMARY KEY,
  document TEXT NOT NULL,
  text TEXT NOT NULL,
  terms INTEGER NOT NULL
) STRICT;
CREATE INDEX chunks_document ON chunks (document);
CREATE TABLE vectors (
  chunk INTEGER PRIMARY KEY,
  vector BLOB NOT NULL
) STRICT;
CREATE TABLE postings (
  term TEXT NOT NULL,
  block INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (term, block)
) STRICT;
PRAGMA application_id = ${APPLICATION_ID};`,
];
