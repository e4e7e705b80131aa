-- A ledger of format 2, as SQLite dumps it: written by the code of that format (commit 766849a), JSON made readable.
-- anna: b1 won and taken back, b2 open, b3 an accumulator with one leg won, b4 void by a window, b7 refused.
-- bert: b5 won, paid, withdrawn and taken back: 9,000 owed; a stake limit of 5,000, from 1,500,086,401,000 on 8,000;
-- b6 refused by it. carl: suspended.
BEGIN TRANSACTION;
CREATE TABLE accounts (
  account TEXT PRIMARY KEY, currency TEXT NOT NULL, status TEXT NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0),
  stake_per_day INTEGER NOT NULL, next_stake_per_day INTEGER, next_at_ms INTEGER NOT NULL, window INTEGER NOT NULL,
  staked INTEGER NOT NULL, facts INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "accounts" VALUES('anna','EUR','open',96500,50000,NULL,0,17361,4200,13);
INSERT INTO "accounts" VALUES('bert','EUR','open',0,5000,8000,1500086401000,17361,4000,12);
INSERT INTO "accounts" VALUES('carl','GBP','suspended',0,1000000000000000,NULL,0,0,0,0);
CREATE TABLE bets (
  bet TEXT PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL, charges BLOB NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "bets" VALUES('b1','anna','open',CAST('{"bet":"b1","id":"015d3ef7-9800-7235-9c81-00ed2441fb12","account":"anna","currency":"EUR","stake":1000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":6,"type":"single","free":false,"owed":0}' AS BLOB),CAST('[["exposure:F:1x2/home#0",1500,1000000,"exposure_reached"]]' AS BLOB));
INSERT INTO "bets" VALUES('b2','anna','open',CAST('{"bet":"b2","id":"015d3ef7-9800-7235-9c81-00ed2441fb13","account":"anna","currency":"EUR","stake":2000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/away","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"single","free":false,"owed":0}' AS BLOB),CAST('[["exposure:F:1x2/away#0",3000,1000000,"exposure_reached"]]' AS BLOB));
INSERT INTO "bets" VALUES('b3','anna','open',CAST('{"bet":"b3","id":"015d3ef7-9800-7235-9c81-00ed2441fb14","account":"anna","currency":"EUR","stake":500,"policy":"better","legs":[{"fixture":"G","market":"G:1x2","selection":"G:1x2/home","price":2500,"generation":3},{"fixture":"H","market":"H:1x2","selection":"H:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"accumulator","free":false,"owed":0}' AS BLOB),CAST('[["exposure:G:1x2/home#0",750,1000000,"exposure_reached"],["exposure:H:1x2/home#0",750,1000000,"exposure_reached"]]' AS BLOB));
INSERT INTO "bets" VALUES('b4','anna','void',CAST('{"bet":"b4","id":"015d3ef7-9800-7235-9c81-00ed2441fb15","account":"anna","currency":"EUR","stake":700,"policy":"better","legs":[{"fixture":"K","market":"K:1x2","selection":"K:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"void","returns":700,"version":2,"type":"single","free":false,"owed":0}' AS BLOB),CAST('[["exposure:K:1x2/home#0",1050,1000000,"exposure_reached"]]' AS BLOB));
INSERT INTO "bets" VALUES('b5','bert','open',CAST('{"bet":"b5","id":"015d3ef7-9800-7235-9c81-00ed2441fb16","account":"bert","currency":"EUR","stake":4000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":6,"type":"single","free":false,"owed":9000}' AS BLOB),CAST('[["exposure:F:1x2/home#0",6000,1000000,"exposure_reached"]]' AS BLOB));
CREATE TABLE decisions (selection TEXT PRIMARY KEY, version INTEGER NOT NULL, outcome BLOB NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "decisions" VALUES('F:1x2/home',6,CAST('null' AS BLOB));
INSERT INTO "decisions" VALUES('G:1x2/home',3,CAST('{"result":"won","void_halves":0,"dead_heat":[1,1]}' AS BLOB));
CREATE TABLE entries (
  entry INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, currency TEXT NOT NULL, bet TEXT
) STRICT;
INSERT INTO "entries" VALUES(1,1500000000000,'grant','EUR',NULL);
INSERT INTO "entries" VALUES(2,1500000000000,'grant','EUR',NULL);
INSERT INTO "entries" VALUES(3,1500000000000,'stake','EUR','b1');
INSERT INTO "entries" VALUES(4,1500000000000,'stake','EUR','b2');
INSERT INTO "entries" VALUES(5,1500000000000,'stake','EUR','b3');
INSERT INTO "entries" VALUES(6,1500000000000,'stake','EUR','b4');
INSERT INTO "entries" VALUES(7,1500000000000,'stake','EUR','b5');
INSERT INTO "entries" VALUES(8,1500000000000,'settlement','EUR','b1');
INSERT INTO "entries" VALUES(9,1500000000000,'settlement','EUR','b5');
INSERT INTO "entries" VALUES(10,1500000000000,'withdrawal','EUR',NULL);
INSERT INTO "entries" VALUES(11,1500000000000,'rollback','EUR','b1');
INSERT INTO "entries" VALUES(12,1500000000000,'rollback','EUR','b5');
INSERT INTO "entries" VALUES(13,1500000000000,'settlement','EUR','b4');
CREATE TABLE facts (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
INSERT INTO "facts" VALUES(1,CAST('{"kind":"balance_changed","seq":1,"account":"anna","at_ms":1500000000000,"balance":100000,"change":100000,"reason":"grant"}' AS BLOB));
INSERT INTO "facts" VALUES(2,CAST('{"kind":"balance_changed","seq":2,"account":"bert","at_ms":1500000000000,"balance":10000,"change":10000,"reason":"grant"}' AS BLOB));
INSERT INTO "facts" VALUES(3,CAST('{"kind":"bet_accepted","seq":3,"account":"anna","at_ms":1500000000000,"balance":99000,"bet":{"bet":"b1","id":"015d3ef7-9800-7235-9c81-00ed2441fb12","account":"anna","currency":"EUR","stake":1000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"single","free":false,"owed":0}}' AS BLOB));
INSERT INTO "facts" VALUES(4,CAST('{"kind":"bet_accepted","seq":4,"account":"anna","at_ms":1500000000000,"balance":97000,"bet":{"bet":"b2","id":"015d3ef7-9800-7235-9c81-00ed2441fb13","account":"anna","currency":"EUR","stake":2000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/away","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"single","free":false,"owed":0}}' AS BLOB));
INSERT INTO "facts" VALUES(5,CAST('{"kind":"bet_accepted","seq":5,"account":"anna","at_ms":1500000000000,"balance":96500,"bet":{"bet":"b3","id":"015d3ef7-9800-7235-9c81-00ed2441fb14","account":"anna","currency":"EUR","stake":500,"policy":"better","legs":[{"fixture":"G","market":"G:1x2","selection":"G:1x2/home","price":2500,"generation":3},{"fixture":"H","market":"H:1x2","selection":"H:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"accumulator","free":false,"owed":0}}' AS BLOB));
INSERT INTO "facts" VALUES(6,CAST('{"kind":"bet_accepted","seq":6,"account":"anna","at_ms":1500000000000,"balance":95800,"bet":{"bet":"b4","id":"015d3ef7-9800-7235-9c81-00ed2441fb15","account":"anna","currency":"EUR","stake":700,"policy":"better","legs":[{"fixture":"K","market":"K:1x2","selection":"K:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"single","free":false,"owed":0}}' AS BLOB));
INSERT INTO "facts" VALUES(7,CAST('{"kind":"bet_accepted","seq":7,"account":"bert","at_ms":1500000000000,"balance":6000,"bet":{"bet":"b5","id":"015d3ef7-9800-7235-9c81-00ed2441fb16","account":"bert","currency":"EUR","stake":4000,"policy":"better","legs":[{"fixture":"F","market":"F:1x2","selection":"F:1x2/home","price":2500,"generation":3}],"placed_ms":1500000000000,"status":"open","returns":0,"version":0,"type":"single","free":false,"owed":0}}' AS BLOB));
INSERT INTO "facts" VALUES(8,CAST('{"kind":"bet_settled","seq":8,"account":"anna","at_ms":1500000000000,"balance":98300,"bet":"b1","status":"settled","version":5,"returns":2500,"change":2500}' AS BLOB));
INSERT INTO "facts" VALUES(9,CAST('{"kind":"bet_settled","seq":9,"account":"bert","at_ms":1500000000000,"balance":16000,"bet":"b5","status":"settled","version":5,"returns":10000,"change":10000}' AS BLOB));
INSERT INTO "facts" VALUES(10,CAST('{"kind":"balance_changed","seq":10,"account":"bert","at_ms":1500000000000,"balance":1000,"change":-15000,"reason":"withdrawal"}' AS BLOB));
INSERT INTO "facts" VALUES(11,CAST('{"kind":"bet_reopened","seq":11,"account":"anna","at_ms":1500000000000,"balance":95800,"bet":"b1","version":6,"change":-2500}' AS BLOB));
INSERT INTO "facts" VALUES(12,CAST('{"kind":"bet_reopened","seq":12,"account":"bert","at_ms":1500000000000,"balance":0,"bet":"b5","version":6,"change":-1000}' AS BLOB));
INSERT INTO "facts" VALUES(13,CAST('{"kind":"bet_settled","seq":13,"account":"anna","at_ms":1500000000000,"balance":96500,"bet":"b4","status":"void","version":2,"returns":700,"change":700}' AS BLOB));
CREATE TABLE guards (guard TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "guards" VALUES('exposure:F:1x2/away#0',3000);
INSERT INTO "guards" VALUES('exposure:F:1x2/home#0',7500);
INSERT INTO "guards" VALUES('exposure:G:1x2/home#0',750);
INSERT INTO "guards" VALUES('exposure:H:1x2/home#0',750);
INSERT INTO "guards" VALUES('exposure:K:1x2/home#0',0);
CREATE TABLE house (account TEXT PRIMARY KEY, currency TEXT NOT NULL, balance INTEGER NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "house" VALUES('bank:EUR:0','EUR',-95000);
INSERT INTO "house" VALUES('house:EUR:0','EUR',0);
INSERT INTO "house" VALUES('shortfall:EUR:0','EUR',-9000);
INSERT INTO "house" VALUES('stakes:EUR:0','EUR',7500);
CREATE TABLE known (
  account TEXT NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL, refusal TEXT, bet TEXT, balance INTEGER,
  at_ms INTEGER NOT NULL, PRIMARY KEY (account, id)
) WITHOUT ROWID, STRICT;
INSERT INTO "known" VALUES('anna','015d3ef7-9800-7235-9c81-00ed2441fb12',X'7AC12A6DAADDF3EEA03AE3BC2371254B',NULL,'b1',99000,1500000000000);
INSERT INTO "known" VALUES('anna','015d3ef7-9800-7235-9c81-00ed2441fb13',X'55E79A058D34D4EA2E8F346013058493',NULL,'b2',97000,1500000000000);
INSERT INTO "known" VALUES('anna','015d3ef7-9800-7235-9c81-00ed2441fb14',X'65058DCFC53898F0F7A92FC1EE53D00C',NULL,'b3',96500,1500000000000);
INSERT INTO "known" VALUES('anna','015d3ef7-9800-7235-9c81-00ed2441fb15',X'0FBC0A111B67ACAEFC162CCE8D3A7367',NULL,'b4',95800,1500000000000);
INSERT INTO "known" VALUES('anna','015d3ef7-9800-7319-ae80-c2fa1327fa93',X'3518D497633D620350139FFA272A910F','price_moved',NULL,95800,1500000000000);
INSERT INTO "known" VALUES('anna','grant:anna',X'CB38400DB89199365A3CA2BB5760E9A8',NULL,NULL,100000,1500000000000);
INSERT INTO "known" VALUES('anna','open:anna',X'F1C886F797F36B272B9BB3AA44456605',NULL,NULL,0,1500000000000);
INSERT INTO "known" VALUES('anna','settle:b1:5',X'B03DB0D3C88386F3AEA3107719DFD70C',NULL,'b1',98300,1500000000000);
INSERT INTO "known" VALUES('anna','settle:b1:6',X'DDDC53BBAD51C377835192C04B8A4C77',NULL,'b1',95800,1500000000000);
INSERT INTO "known" VALUES('anna','settle:b4:2',X'C8AD18AD2ED78866D19487ED9338E74F',NULL,'b4',96500,1500000000000);
INSERT INTO "known" VALUES('bert','015d3ef7-9800-7235-9c81-00ed2441fb16',X'E51037B19934F9EF0EA957E3247F0D7D',NULL,'b5',6000,1500000000000);
INSERT INTO "known" VALUES('bert','015d3ef7-9800-7235-9c81-00ed2441fb17',X'87E79BF815CC463EB6DAF93A0FD9FAA0','stake_limit_reached',NULL,6000,1500000000000);
INSERT INTO "known" VALUES('bert','grant:bert',X'86A56D700C3214B550E7F51648B1BFF1',NULL,NULL,10000,1500000000000);
INSERT INTO "known" VALUES('bert','l1:bert',X'D5F7B6F9DC41D7C3F4C2E4F1008EA36B',NULL,NULL,10000,1500000000000);
INSERT INTO "known" VALUES('bert','l2:bert',X'5BC9492A3AC63267758A79C0AD9D0060',NULL,NULL,10000,1500000001000);
INSERT INTO "known" VALUES('bert','open:bert',X'E82BDF5E9CA574C77E630AAD5363DCF3',NULL,NULL,0,1500000000000);
INSERT INTO "known" VALUES('bert','settle:b5:5',X'9D57B965D12472B157937711CE57AAA0',NULL,'b5',16000,1500000000000);
INSERT INTO "known" VALUES('bert','settle:b5:6',X'5DC1C246C19B361DB4DC5D9FF5CC35CE',NULL,'b5',0,1500000000000);
INSERT INTO "known" VALUES('bert','w:bert',X'785D4A78BA63D20A4356048D7BCBC05B',NULL,NULL,1000,1500000000000);
INSERT INTO "known" VALUES('carl','open:carl',X'3CE18E12295A081F3277B4B26F6D0893',NULL,NULL,0,1500000000000);
INSERT INTO "known" VALUES('carl','s:carl',X'B720E195042C1FAC4649861009A62A06',NULL,NULL,0,1500000000000);
INSERT INTO "known" VALUES('fixture:F','decide:F:5',X'E95464CFE2DC336FDB1A6AB55A070D0A',NULL,NULL,NULL,1500000000000);
INSERT INTO "known" VALUES('fixture:F','decide:F:6',X'9C35A66C2E1FA7A8C155362CC49B45F0',NULL,NULL,NULL,1500000000000);
INSERT INTO "known" VALUES('fixture:G','decide:G:3',X'CC925AF5028DB36F1F5EEF6164C16170',NULL,NULL,NULL,1500000000000);
INSERT INTO "known" VALUES('fixture:K','void:K:2',X'E52BB22E6531EF3BE5CC1531FE4BAE42',NULL,NULL,NULL,1500000000000);
CREATE TABLE legs (selection TEXT NOT NULL, bet TEXT NOT NULL, PRIMARY KEY (selection, bet)) WITHOUT ROWID, STRICT;
INSERT INTO "legs" VALUES('F:1x2/away','b2');
INSERT INTO "legs" VALUES('F:1x2/home','b1');
INSERT INTO "legs" VALUES('F:1x2/home','b5');
INSERT INTO "legs" VALUES('G:1x2/home','b3');
INSERT INTO "legs" VALUES('H:1x2/home','b3');
INSERT INTO "legs" VALUES('K:1x2/home','b4');
CREATE TABLE postings (
  entry INTEGER NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (entry, account)
) WITHOUT ROWID, STRICT;
INSERT INTO "postings" VALUES(1,'anna',100000);
INSERT INTO "postings" VALUES(1,'bank:EUR:0',-100000);
INSERT INTO "postings" VALUES(2,'bank:EUR:0',-10000);
INSERT INTO "postings" VALUES(2,'bert',10000);
INSERT INTO "postings" VALUES(3,'anna',-1000);
INSERT INTO "postings" VALUES(3,'stakes:EUR:0',1000);
INSERT INTO "postings" VALUES(4,'anna',-2000);
INSERT INTO "postings" VALUES(4,'stakes:EUR:0',2000);
INSERT INTO "postings" VALUES(5,'anna',-500);
INSERT INTO "postings" VALUES(5,'stakes:EUR:0',500);
INSERT INTO "postings" VALUES(6,'anna',-700);
INSERT INTO "postings" VALUES(6,'stakes:EUR:0',700);
INSERT INTO "postings" VALUES(7,'bert',-4000);
INSERT INTO "postings" VALUES(7,'stakes:EUR:0',4000);
INSERT INTO "postings" VALUES(8,'anna',2500);
INSERT INTO "postings" VALUES(8,'house:EUR:0',-1500);
INSERT INTO "postings" VALUES(8,'stakes:EUR:0',-1000);
INSERT INTO "postings" VALUES(9,'bert',10000);
INSERT INTO "postings" VALUES(9,'house:EUR:0',-6000);
INSERT INTO "postings" VALUES(9,'stakes:EUR:0',-4000);
INSERT INTO "postings" VALUES(10,'bank:EUR:0',15000);
INSERT INTO "postings" VALUES(10,'bert',-15000);
INSERT INTO "postings" VALUES(11,'anna',-2500);
INSERT INTO "postings" VALUES(11,'house:EUR:0',1500);
INSERT INTO "postings" VALUES(11,'stakes:EUR:0',1000);
INSERT INTO "postings" VALUES(12,'bert',-1000);
INSERT INTO "postings" VALUES(12,'house:EUR:0',6000);
INSERT INTO "postings" VALUES(12,'shortfall:EUR:0',-9000);
INSERT INTO "postings" VALUES(12,'stakes:EUR:0',4000);
INSERT INTO "postings" VALUES(13,'anna',700);
INSERT INTO "postings" VALUES(13,'stakes:EUR:0',-700);
CREATE TABLE windows (
  fixture TEXT NOT NULL, version INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  PRIMARY KEY (fixture, version)
) WITHOUT ROWID, STRICT;
INSERT INTO "windows" VALUES('K',2,1499999999995,1500000000005);
CREATE INDEX known_refusals ON known (at_ms) WHERE refusal IS NOT NULL;
CREATE INDEX postings_of_players ON postings (account, entry) WHERE instr(account, ':') = 0;
CREATE INDEX bets_of_accounts ON bets (account, bet);
CREATE INDEX bets_open ON bets (account, bet) WHERE status = 'open';
COMMIT;
PRAGMA user_version=2;
