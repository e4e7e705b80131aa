-- needs: 1
-- The ledger. Whatever belongs to an account carries its partition (``part``, see ``postgres.part_of``) in its primary
-- key, so that tables can be distributed by it; decisions, windows and guards belong to no account.
CREATE TABLE platform (one boolean PRIMARY KEY DEFAULT true CHECK (one), name text NOT NULL);
CREATE SEQUENCE batches;
CREATE SEQUENCE players MAXVALUE 2147483647;
CREATE SEQUENCE bet_numbers MAXVALUE 4294967295;
CREATE TABLE accounts (
  player bigint NOT NULL, part smallint NOT NULL, account text COLLATE "C" NOT NULL, currency text NOT NULL,
  status text NOT NULL, balance bigint NOT NULL CHECK (balance >= 0), exposed bigint CHECK (exposed >= 0),
  facts bigint NOT NULL, limits text NOT NULL, PRIMARY KEY (player, part), UNIQUE (account, part)
) WITH (fillfactor = 70);
CREATE TABLE house (
  account text COLLATE "C" NOT NULL, writer smallint NOT NULL, currency text NOT NULL, balance bigint NOT NULL,
  PRIMARY KEY (account, writer)
) WITH (fillfactor = 50);
CREATE TABLE known (
  id text COLLATE "C" NOT NULL, account text COLLATE "C" NOT NULL, part smallint NOT NULL, hash bytea NOT NULL,
  refusal text, bet bigint, balance bigint, at_ms bigint NOT NULL, pending_until_ms bigint NOT NULL,
  PRIMARY KEY (id, account, part)
);
CREATE INDEX known_refusals ON known (at_ms) WHERE refusal IS NOT NULL;
CREATE TABLE bets (
  number bigint NOT NULL, part smallint NOT NULL, player bigint NOT NULL, bet text COLLATE "C" NOT NULL,
  body text NOT NULL, charges text NOT NULL, PRIMARY KEY (number, part), UNIQUE (bet, part)
);
CREATE INDEX bets_of_players ON bets (player, number);
CREATE TABLE legs (
  selection text COLLATE "C" NOT NULL, number bigint NOT NULL, part smallint NOT NULL, player bigint NOT NULL,
  PRIMARY KEY (selection, number, part)
);
CREATE TABLE standings (
  number bigint NOT NULL, part smallint NOT NULL, status text NOT NULL, version bigint NOT NULL,
  returns bigint NOT NULL CHECK (returns >= 0), owed bigint NOT NULL CHECK (owed >= 0), cashed bigint NOT NULL,
  cash bigint NOT NULL, cash_out_at bigint, PRIMARY KEY (number, part)
) WITH (fillfactor = 80);
CREATE INDEX standings_to_cash_out ON standings (number) WHERE status = 'open' AND cash_out_at IS NOT NULL;
CREATE TABLE entries (
  entry bigint NOT NULL, part smallint NOT NULL, player bigint, at_ms bigint NOT NULL, reason text NOT NULL,
  currency text NOT NULL, bet bigint, postings text NOT NULL, PRIMARY KEY (entry, part)
);
CREATE INDEX entries_of_players ON entries (player, entry) WHERE player IS NOT NULL;
CREATE TABLE facts (
  seq bigint NOT NULL, part smallint NOT NULL, body text NOT NULL, PRIMARY KEY (seq, part)
);
CREATE TABLE guards (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, guard text COLLATE "C" NOT NULL UNIQUE,
  used bigint CHECK (used >= 0)
) WITH (fillfactor = 50);
CREATE TABLE decisions (selection text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, outcome text NOT NULL);
CREATE TABLE windows (
  fixture text COLLATE "C" NOT NULL, version bigint NOT NULL, from_ms bigint NOT NULL, until_ms bigint NOT NULL,
  PRIMARY KEY (fixture, version)
);
CREATE TABLE referrals (
  account text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, part smallint NOT NULL, until_ms bigint NOT NULL,
  body text NOT NULL, PRIMARY KEY (account, id, part)
);
CREATE INDEX referrals_due ON referrals (until_ms);
CREATE TABLE offers (
  offer text COLLATE "C" NOT NULL, part smallint NOT NULL, account text COLLATE "C" NOT NULL, taken boolean NOT NULL,
  body text NOT NULL, PRIMARY KEY (offer, part)
);
CREATE TABLE free_bets (
  free_bet text COLLATE "C" NOT NULL, part smallint NOT NULL, account text COLLATE "C" NOT NULL, currency text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0), until_ms bigint NOT NULL, state text NOT NULL, bet text NOT NULL,
  PRIMARY KEY (free_bet, part)
);
CREATE INDEX free_bets_available ON free_bets (account, until_ms) WHERE state = 'available';
CREATE INDEX free_bets_due ON free_bets (until_ms) WHERE state = 'available';
