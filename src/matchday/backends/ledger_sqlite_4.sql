CREATE TABLE accounts_4 (
  player INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE, currency TEXT NOT NULL, status TEXT NOT NULL,
  balance INTEGER NOT NULL CHECK (balance >= 0), facts INTEGER NOT NULL, limits BLOB NOT NULL
) STRICT;
INSERT INTO accounts_4 (account, currency, status, balance, facts, limits)
  SELECT account, currency, status, balance, facts,
  CAST('[' || CAST(limits AS TEXT) || ',' || CAST(raised AS TEXT) || ',' || CAST(days AS TEXT) || ']' AS BLOB)
  FROM accounts ORDER BY account;
CREATE TABLE guards_4 (number INTEGER PRIMARY KEY, guard TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE counters (number INTEGER PRIMARY KEY, used INTEGER NOT NULL) STRICT;
INSERT INTO guards_4 (guard) SELECT guard FROM guards
  WHERE guard NOT IN (SELECT 'exposure:account:' || account FROM accounts_4);
INSERT INTO counters SELECT number, used FROM guards_4 JOIN guards USING (guard);
INSERT INTO counters SELECT -player, used FROM accounts_4 JOIN guards ON guard = 'exposure:account:' || account;
CREATE TABLE bets_4 (
  number INTEGER PRIMARY KEY, bet TEXT NOT NULL UNIQUE, player INTEGER NOT NULL, body BLOB NOT NULL,
  charges BLOB NOT NULL
) STRICT;
INSERT INTO bets_4 (bet, player, body, charges)
  SELECT bet, player, CAST(json_remove(CAST(body AS TEXT),
    '$.status', '$.returns', '$.version', '$.owed', '$.cashed', '$.cash', '$.cash_out_at') AS BLOB),
  CAST((SELECT json_group_array(json_array(json_extract(value, '$[1]'), json_array(
      coalesce((SELECT number FROM guards_4 WHERE guard = json_extract(value, '$[0]')), -player))))
    FROM json_each(CAST(charges AS TEXT))) AS BLOB)
  FROM bets JOIN accounts_4 USING (account) ORDER BY bet;
CREATE TABLE standings (
  player INTEGER NOT NULL, number INTEGER NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
  returns INTEGER NOT NULL, owed INTEGER NOT NULL, cashed INTEGER NOT NULL, cash INTEGER NOT NULL, cash_out_at INTEGER,
  PRIMARY KEY (player, number)
) WITHOUT ROWID, STRICT;
INSERT INTO standings
  SELECT player, number, status, coalesce(json_extract(text, '$.version'), 0),
  coalesce(json_extract(text, '$.returns'), 0), coalesce(json_extract(text, '$.owed'), 0),
  coalesce(json_extract(text, '$.cashed'), 0), coalesce(json_extract(text, '$.cash'), 0), json_extract(text, '$.cash_out_at')
  FROM (SELECT player, number, status, CAST(bets.body AS TEXT) AS text FROM bets JOIN bets_4 USING (bet));
CREATE INDEX standings_open ON standings (player, number) WHERE status = 'open';
CREATE INDEX standings_to_cash_out ON standings (number) WHERE status = 'open' AND cash_out_at IS NOT NULL;
CREATE TABLE legs_4 (
  selection TEXT NOT NULL, number INTEGER NOT NULL, player INTEGER NOT NULL, PRIMARY KEY (selection, number)
) WITHOUT ROWID, STRICT;
INSERT INTO legs_4 SELECT selection, number, player FROM legs JOIN bets_4 USING (bet);
CREATE TABLE entries_4 (
  entry INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, currency TEXT NOT NULL, bet INTEGER,
  player INTEGER, postings BLOB NOT NULL
) STRICT;
INSERT INTO entries_4
  SELECT entry, at_ms, reason, currency, (SELECT number FROM bets_4 WHERE bets_4.bet = entries.bet),
  (SELECT player FROM postings p JOIN accounts_4 USING (account) WHERE p.entry = entries.entry),
  CAST((SELECT json_group_array(json_array(account, amount)) FROM postings p WHERE p.entry = entries.entry) AS BLOB)
  FROM entries;
CREATE TABLE known_4 (
  id TEXT NOT NULL, account TEXT NOT NULL, hash BLOB NOT NULL, refusal TEXT, bet INTEGER, balance INTEGER,
  at_ms INTEGER NOT NULL, pending_until_ms INTEGER NOT NULL, PRIMARY KEY (id, account)
) WITHOUT ROWID, STRICT;
INSERT INTO known_4
  SELECT id, account, hash, refusal, (SELECT number FROM bets_4 WHERE bets_4.bet = known.bet), balance, at_ms,
  pending_until_ms FROM known WHERE id NOT GLOB 'settle:*';
DROP TABLE accounts;
DROP TABLE guards;
DROP TABLE bets;
DROP TABLE legs;
DROP TABLE entries;
DROP TABLE postings;
DROP TABLE known;
ALTER TABLE accounts_4 RENAME TO accounts;
ALTER TABLE bets_4 RENAME TO bets;
ALTER TABLE legs_4 RENAME TO legs;
ALTER TABLE entries_4 RENAME TO entries;
ALTER TABLE known_4 RENAME TO known;
ALTER TABLE guards_4 RENAME TO guards;
CREATE INDEX entries_of_players ON entries (player) WHERE player IS NOT NULL;
CREATE INDEX known_refusals ON known (at_ms) WHERE refusal IS NOT NULL;
