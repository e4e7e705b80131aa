CREATE TABLE records_2 (
  topic TEXT NOT NULL, last INTEGER NOT NULL, keys BLOB NOT NULL, sizes BLOB NOT NULL, body BLOB NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY (topic, last)
) WITHOUT ROWID, STRICT;
INSERT INTO records_2
  SELECT topic, offset, CAST(json_array(key) AS BLOB), CAST(json_array(length(value)) AS BLOB), value, at_ms
  FROM records;
DROP TABLE records;
ALTER TABLE records_2 RENAME TO records;
