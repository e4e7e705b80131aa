CREATE TABLE windows (
  fixture TEXT NOT NULL, version INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  PRIMARY KEY (fixture, version)
) WITHOUT ROWID, STRICT;
