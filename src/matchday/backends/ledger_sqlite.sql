CREATE TABLE accounts (
  account TEXT PRIMARY KEY, currency TEXT NOT NULL, status TEXT NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0),
  stake_per_day INTEGER NOT NULL, next_stake_per_day INTEGER, next_at_ms INTEGER NOT NULL, window INTEGER NOT NULL,
  staked INTEGER NOT NULL, facts INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE house (account TEXT PRIMARY KEY, currency TEXT NOT NULL, balance INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE known (
  account TEXT NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL, refusal TEXT, bet TEXT, balance INTEGER,
  at_ms INTEGER NOT NULL, PRIMARY KEY (account, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX known_refusals ON known (at_ms) WHERE refusal IS NOT NULL;
CREATE TABLE entries (
  entry INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, currency TEXT NOT NULL, bet TEXT
) STRICT;
CREATE TABLE postings (
  entry INTEGER NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (entry, account)
) WITHOUT ROWID, STRICT;
CREATE INDEX postings_of_players ON postings (account, entry) WHERE instr(account, ':') = 0;
CREATE TABLE bets (
  bet TEXT PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL, charges BLOB NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX bets_of_accounts ON bets (account, bet);
CREATE INDEX bets_open ON bets (account, bet) WHERE status = 'open';
CREATE TABLE legs (selection TEXT NOT NULL, bet TEXT NOT NULL, PRIMARY KEY (selection, bet)) WITHOUT ROWID, STRICT;
CREATE TABLE guards (guard TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE decisions (selection TEXT PRIMARY KEY, version INTEGER NOT NULL, outcome BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE facts (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
