-- A data folder as version 1 of the tables left it: one tenant with a key, a secret and a callback secret; a job whose
-- ticket is not sent yet, and one that was cancelled. Never changed: what was written once has to be read for ever.
-- vault.key: 06b4991cc43b58daf0fb7fe5bd7ca81ec245659a6d1f4646f24af78b50e126eb
BEGIN TRANSACTION;
CREATE TABLE counters (
    tenant TEXT NOT NULL, name TEXT NOT NULL, stands INTEGER NOT NULL, expires INTEGER,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "counters" VALUES('01a200e8-f8ab-768c-a031-7e8721812819','active',1,NULL);
INSERT INTO "counters" VALUES('01a200e8-f8ab-768c-a031-7e8721812819','day#2026-11-22',1,1826928000000);
CREATE TABLE rows (
    home TEXT NOT NULL, partition TEXT NOT NULL, sort TEXT NOT NULL,
    tenant TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, expires INTEGER,
    place TEXT, status TEXT, due INTEGER, customer TEXT, body TEXT NOT NULL,
    UNIQUE (home, partition, sort)
) STRICT;
INSERT INTO "rows" VALUES('users','01a200e8-f8ab-768c-a031-7e8721812819','','01a200e8-f8ab-768c-a031-7e8721812819','tenant',1,NULL,NULL,NULL,NULL,NULL,'{"row":"tenant","value":{"id":"01a200e8-f8ab-768c-a031-7e8721812819","email":"ada@example.com","name":"ada@example.com","tier":"enterprise","overrides":{},"standing":"active","created_at":"2026-11-22T01:39:57.739Z","updated_at":"2026-11-22T01:39:57.739Z","billing":{"customer":null,"subscription":null,"status":null,"applied_at":null},"hooks":[],"version":1}}');
INSERT INTO "rows" VALUES('users','EMAIL#ada@example.com','','01a200e8-f8ab-768c-a031-7e8721812819','email',1,NULL,NULL,NULL,NULL,NULL,'{"row":"email","value":{"email":"ada@example.com","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","version":1}}');
INSERT INTO "rows" VALUES('api-keys','81f163e26289b94b7122101c1c25b4b74f593cc56c898f115b71d23adcfb4a15','','01a200e8-f8ab-768c-a031-7e8721812819','key',2,NULL,'2026-11-22T01:39:57.739Z#key_01a200e8-f8ab-7cf4-bb9e-fdaa065f497c',NULL,NULL,NULL,'{"row":"key","value":{"hash":"81f163e26289b94b7122101c1c25b4b74f593cc56c898f115b71d23adcfb4a15","id":"key_01a200e8-f8ab-7cf4-bb9e-fdaa065f497c","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","name":"first key","shown":"op_live_OeSI1E","environment":"live","scopes":["jobs:read","jobs:write","usage:read","keys:write","billing:write","secrets:write","audit:read","fleet:read","hooks:write"],"created_at":"2026-11-22T01:39:57.739Z","expires_at":null,"revoked_at":null,"last_used_at":"2026-11-22T01:39:57.847Z","version":2}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f8ac-7360-84da-92fd51560397','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f8ac-7360-84da-92fd51560397',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f8ac-7360-84da-92fd51560397","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:57.740Z","actor":"stranger","action":"tenant.register","subject":"01a200e8-f8ab-768c-a031-7e8721812819","request_id":"req_01a200e8-f8a3-7f9f-9722-345eefb20fa6","ip":"127.0.0.1"}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f91f-714a-ab1a-9021fde0ea4b','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f91f-714a-ab1a-9021fde0ea4b',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f91f-714a-ab1a-9021fde0ea4b","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:57.855Z","actor":{"key":"op_live_OeSI1E"},"action":"secret.put","subject":"anthropic","request_id":"req_01a200e8-f916-7b6c-84f6-fd4539025a27","ip":"127.0.0.1"}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f93d-7712-828e-150c3580c418','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f93d-7712-828e-150c3580c418',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f93d-7712-828e-150c3580c418","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:57.885Z","actor":{"key":"op_live_OeSI1E"},"action":"callback.rotate","subject":"hook-callback","request_id":"req_01a200e8-f93c-7f08-843e-fa0e715221e8","ip":"127.0.0.1"}}');
INSERT INTO "rows" VALUES('jobs','job_01a200e8-f96b-7a7b-ba2c-ba083e6f600d','','01a200e8-f8ab-768c-a031-7e8721812819','job',2,NULL,'2026-11-22T01:39:57.931Z#job_01a200e8-f96b-7a7b-ba2c-ba083e6f600d','pending',NULL,NULL,'{"row":"job","value":{"id":"job_01a200e8-f96b-7a7b-ba2c-ba083e6f600d","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","lane":"enterprise","spec":{"agent":"claude","task":"waits","timeout_seconds":3600,"callback_url":"http://127.0.0.1:9/x"},"status":"pending","created_at":"2026-11-22T01:39:57.931Z","queued_at":"2026-11-22T01:39:57.943Z","started_at":null,"completed_at":null,"key_shown":"op_live_OeSI1E","request_id":"req_01a200e8-f96a-7019-bb58-a11b70443d24","traceparent":null,"epoch":0,"lease":null,"losses":0,"returns":0,"outcome":null,"version":2}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f96b-7938-9510-fc43351dd584','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f96b-7938-9510-fc43351dd584',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f96b-7938-9510-fc43351dd584","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:57.931Z","actor":{"key":"op_live_OeSI1E"},"action":"job.submit","subject":"job_01a200e8-f96b-7a7b-ba2c-ba083e6f600d","request_id":"req_01a200e8-f96a-7019-bb58-a11b70443d24","ip":"127.0.0.1","details":{"agent":"claude"}}}');
INSERT INTO "rows" VALUES('jobs','job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b','','01a200e8-f8ab-768c-a031-7e8721812819','job',3,1803087598044,'2026-11-22T01:39:57.988Z#job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b','cancelled',NULL,NULL,'{"row":"job","value":{"id":"job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","lane":"enterprise","spec":{"agent":"claude","task":"ended","timeout_seconds":3600},"status":"cancelled","created_at":"2026-11-22T01:39:57.988Z","queued_at":"2026-11-22T01:39:58.003Z","started_at":null,"completed_at":"2026-11-22T01:39:58.044Z","key_shown":"op_live_OeSI1E","request_id":"req_01a200e8-f9a3-7e0f-a1f1-12a176020296","traceparent":null,"epoch":0,"lease":null,"losses":0,"returns":0,"outcome":{"result":"cancelled","code":"cancelled","message":"cancelled before it began","usage":{"input_tokens":0,"output_tokens":0,"micro_usd":0,"duration_ms":0},"artifacts":[]},"version":3}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f9a4-7a63-b804-e8e81dbc8bc9','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f9a4-7a63-b804-e8e81dbc8bc9',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f9a4-7a63-b804-e8e81dbc8bc9","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:57.988Z","actor":{"key":"op_live_OeSI1E"},"action":"job.submit","subject":"job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b","request_id":"req_01a200e8-f9a3-7e0f-a1f1-12a176020296","ip":"127.0.0.1","details":{"agent":"claude"}}}');
INSERT INTO "rows" VALUES('audit','01a200e8-f8ab-768c-a031-7e8721812819','aud_01a200e8-f9dc-7f8e-8d05-11e87d0d24f9','01a200e8-f8ab-768c-a031-7e8721812819','audit',0,NULL,'aud_01a200e8-f9dc-7f8e-8d05-11e87d0d24f9',NULL,NULL,NULL,'{"row":"audit","value":{"id":"aud_01a200e8-f9dc-7f8e-8d05-11e87d0d24f9","tenant":"01a200e8-f8ab-768c-a031-7e8721812819","at":"2026-11-22T01:39:58.044Z","actor":{"key":"op_live_OeSI1E"},"action":"job.cancel","subject":"job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b","request_id":"req_01a200e8-f9db-7f74-9b9e-8337f946d77b","ip":"127.0.0.1"}}');
CREATE TABLE schema (version INTEGER NOT NULL, written_by TEXT NOT NULL) STRICT;
INSERT INTO "schema" VALUES(1,'0.1.0');
CREATE TABLE seals (proof BLOB NOT NULL) STRICT;
INSERT INTO "seals" VALUES(X'1334C2EFB2B75E9604EA3D8DF9C817CCC8E74CC3D8EB89D8D9C46A1F');
CREATE TABLE secrets (
    tenant TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    last4 TEXT NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "secrets" VALUES('01a200e8-f8ab-768c-a031-7e8721812819','anthropic',1,X'3CEA323B34A81AE82A0D879441C064D21242518296818EB4AB90A77669076CEEDF1D8C76C324B91181FCE5DD33BEA6EB1ECC72B3EB0A8AECE2A4','on-1',1795311597859);
INSERT INTO "secrets" VALUES('01a200e8-f8ab-768c-a031-7e8721812819','hook-callback',1,X'59D6C95A41EDBD65EB50D8C00EAE98E03A7548CA564B51DA7E7E9DFD27E8F9AE459F84ED45D53730CB76D374BE302E3C54F1042C282E5D629E301A785BEE836F9F6F','AR0K',1795311597890);
CREATE TABLE throttles (name TEXT PRIMARY KEY, count INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "throttles" VALUES('register#127.0.0.1#498697',1,1795316400000);
INSERT INTO "throttles" VALUES('register#498697',1,1795316400000);
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL, state INTEGER NOT NULL, visible INTEGER NOT NULL, receives INTEGER NOT NULL, receipt BLOB,
    ticket TEXT NOT NULL
) STRICT;
INSERT INTO "tickets" VALUES(1,'enterprise',0,1795311597938,0,NULL,'{"tenant":"01a200e8-f8ab-768c-a031-7e8721812819","job":"job_01a200e8-f96b-7a7b-ba2c-ba083e6f600d"}');
INSERT INTO "tickets" VALUES(2,'enterprise',0,1795311597999,0,NULL,'{"tenant":"01a200e8-f8ab-768c-a031-7e8721812819","job":"job_01a200e8-f9a4-7e3b-8bcd-602d6742d75b"}');
CREATE INDEX rows_listed ON rows (tenant, kind, place) WHERE place IS NOT NULL;
CREATE INDEX rows_status ON rows (tenant, status, place) WHERE status IS NOT NULL;
CREATE INDEX rows_waiting ON rows (status, place) WHERE status IS NOT NULL;
CREATE INDEX rows_due ON rows (due) WHERE due IS NOT NULL;
CREATE INDEX rows_customer ON rows (customer) WHERE customer IS NOT NULL;
CREATE INDEX rows_tenants ON rows (partition) WHERE kind = 'tenant';
CREATE INDEX rows_expires ON rows (expires) WHERE expires IS NOT NULL;
CREATE INDEX counters_expires ON counters (expires) WHERE expires IS NOT NULL;
CREATE INDEX throttles_expires ON throttles (expires);
CREATE INDEX tickets_lane ON tickets (lane, state, visible, id);
CREATE INDEX tickets_dead ON tickets (visible) WHERE state > 0;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('tickets',2);
COMMIT;
