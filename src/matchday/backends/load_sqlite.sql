-- The load of each minute, as far as it was counted.
CREATE TABLE minutes (
  minute      INTEGER PRIMARY KEY,  -- since 1970, UTC
  covered_ms  INTEGER NOT NULL,     -- of this minute, in which it was counted; more than it has: the clock went back
  requests    INTEGER NOT NULL,
  bets        INTEGER NOT NULL,
  frames      INTEGER NOT NULL,
  connections INTEGER NOT NULL      -- at the end; the most where it was counted in parts
) STRICT;
