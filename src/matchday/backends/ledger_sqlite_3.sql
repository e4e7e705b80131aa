CREATE TABLE accounts_3 (
  account TEXT PRIMARY KEY, currency TEXT NOT NULL, status TEXT NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0),
  facts INTEGER NOT NULL, limits BLOB NOT NULL, raised BLOB NOT NULL, days BLOB NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO accounts_3 SELECT account, currency, status, balance, facts,
  CAST(json_object('stake_day', stake_per_day) AS BLOB),
  CAST(CASE WHEN next_stake_per_day IS NULL THEN '{}'
    ELSE json_object('stake_day', json_array(next_stake_per_day, next_at_ms)) END AS BLOB),
  CAST(CASE WHEN staked = 0 THEN '[]' ELSE json_array(json_array(window, staked, 0)) END AS BLOB)
  FROM accounts;
DROP TABLE accounts;
ALTER TABLE accounts_3 RENAME TO accounts;
ALTER TABLE known ADD COLUMN pending_until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bets ADD COLUMN cash_out_at INTEGER;
CREATE INDEX bets_to_cash_out ON bets (bet) WHERE cash_out_at IS NOT NULL;
CREATE TABLE referrals (
  account TEXT NOT NULL, id TEXT NOT NULL, until_ms INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (account, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX referrals_due ON referrals (until_ms);
CREATE TABLE offers (offer TEXT PRIMARY KEY, account TEXT NOT NULL, taken INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE free_bets (
  free_bet TEXT PRIMARY KEY, account TEXT NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0),
  until_ms INTEGER NOT NULL, state TEXT NOT NULL, bet TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX free_bets_available ON free_bets (account, until_ms) WHERE state = 'available';
CREATE INDEX free_bets_due ON free_bets (until_ms) WHERE state = 'available';
