-- The read model. Everything in it comes from Kafka and can be read again; a change here needs a new SCHEMA in store.py.
-- Times are milliseconds since the epoch, UTC; a place is `topic/partition/offset`.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- How far each partition was read, and what it held then.
CREATE TABLE positions (
  topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- What each record says (streams.kafka.format.facts), once each, whatever is read twice.
CREATE TABLE facts (
  topic TEXT, partition INTEGER, offset INTEGER, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, order_id TEXT,
  notification_id TEXT, payment_id TEXT, replay_run TEXT, replay_of TEXT, fact TEXT NOT NULL,
  PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX facts_by_order ON facts (order_id, at_ms);
CREATE INDEX facts_by_payment ON facts (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX facts_by_run ON facts (replay_run) WHERE replay_run IS NOT NULL;
CREATE INDEX facts_by_letter ON facts (replay_of) WHERE replay_of IS NOT NULL;

-- Orders of which something new was read: their histories are to be folded anew.
CREATE TABLE touched (order_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- One row for each notification: what its facts come to (streams.operator.history.notification_history).
CREATE TABLE notifications (
  order_id TEXT, notification TEXT, notification_id TEXT, profile TEXT, partner_id TEXT, status TEXT NOT NULL, reason TEXT, told TEXT NOT NULL,
  attempts INTEGER NOT NULL, parks INTEGER NOT NULL, replays INTEGER NOT NULL, due_at_ms INTEGER, rests_on TEXT,
  answer TEXT, since_ms INTEGER NOT NULL, accepted_at_ms INTEGER, ended INTEGER NOT NULL, event TEXT,
  PRIMARY KEY (order_id, notification)
) WITHOUT ROWID;
CREATE INDEX notifications_open ON notifications (rests_on, due_at_ms) WHERE NOT ended;
CREATE INDEX notifications_open_by_due ON notifications (due_at_ms) WHERE NOT ended;
CREATE INDEX notifications_open_of_partner ON notifications (partner_id, due_at_ms) WHERE NOT ended;
CREATE INDEX notifications_open_by_age ON notifications (partner_id, accepted_at_ms) WHERE NOT ended;
CREATE INDEX notifications_delivered ON notifications (since_ms) WHERE status = 'delivered';
CREATE INDEX notifications_by_id ON notifications (notification_id);
CREATE INDEX notifications_by_event ON notifications (event);
-- Whatever orders are listed by is found in this index alone.
CREATE INDEX notifications_by_time ON notifications (since_ms DESC, order_id, notification, partner_id, status, notification_id);

-- How many notifications have not ended, kept as they come: by tier (the topic where they rest) and by partner, in all
-- and of these the parked ones. A million orders would take a tenth of a second to count at each look.
CREATE TABLE open_counts (what TEXT, name TEXT, count INTEGER NOT NULL, PRIMARY KEY (what, name)) WITHOUT ROWID;
CREATE TRIGGER notification_opened AFTER INSERT ON notifications WHEN NOT NEW.ended BEGIN
  INSERT INTO open_counts VALUES
    ('tier', coalesce(NEW.rests_on, ''), 1), ('partner', coalesce(NEW.partner_id, ''), 1),
    ('tier parked', coalesce(NEW.rests_on, ''), NEW.status = 'parked'),
    ('partner parked', coalesce(NEW.partner_id, ''), NEW.status = 'parked')
    ON CONFLICT DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER notification_gone AFTER DELETE ON notifications WHEN NOT OLD.ended BEGIN
  UPDATE open_counts SET count = count - 1 WHERE what = 'tier' AND name = coalesce(OLD.rests_on, '');
  UPDATE open_counts SET count = count - 1 WHERE what = 'partner' AND name = coalesce(OLD.partner_id, '');
  UPDATE open_counts SET count = count - (OLD.status = 'parked') WHERE what = 'tier parked' AND name = coalesce(OLD.rests_on, '');
  UPDATE open_counts SET count = count - (OLD.status = 'parked') WHERE what = 'partner parked' AND name = coalesce(OLD.partner_id, '');
END;

-- One row for each attempt: what a partner answers, and since when. `answered`: S, F, U, or empty without a result.
CREATE TABLE attempts (
  topic TEXT, partition INTEGER, offset INTEGER, partner_id TEXT NOT NULL, ended_ms INTEGER NOT NULL,
  answered TEXT NOT NULL, answer TEXT NOT NULL, took_ms INTEGER NOT NULL, late_ms INTEGER NOT NULL,
  order_id TEXT, url_origin TEXT,
  PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX attempts_of_partner ON attempts (partner_id, ended_ms, answered);
CREATE INDEX attempts_by_time ON attempts (ended_ms, answered);

-- Everybody who was called or waited for.
CREATE TABLE partners (partner_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- One row for each dead letter; `open` until it was put back, or its notification was delivered some other way.
CREATE TABLE dead_letters (
  topic TEXT, partition INTEGER, offset INTEGER, place TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, order_id TEXT,
  notification_id TEXT, profile TEXT, partner_id TEXT, reason TEXT NOT NULL, answer TEXT NOT NULL,
  attempts INTEGER NOT NULL, replays INTEGER NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX dead_letters_open ON dead_letters (at_ms) WHERE open;
CREATE INDEX dead_letters_open_of_partner ON dead_letters (partner_id) WHERE open;
-- Changes keep a count of the open ones, as above: its row is there from the start.
INSERT INTO open_counts VALUES ('dead letters', '', 0);
CREATE TRIGGER dead_letter_opened AFTER INSERT ON dead_letters WHEN NEW.open BEGIN
  UPDATE open_counts SET count = count + 1 WHERE what = 'dead letters';
END;
CREATE TRIGGER dead_letter_changed AFTER UPDATE OF open ON dead_letters WHEN NEW.open <> OLD.open BEGIN
  UPDATE open_counts SET count = count + NEW.open - OLD.open WHERE what = 'dead letters';
END;
CREATE TRIGGER dead_letter_gone AFTER DELETE ON dead_letters WHEN OLD.open BEGIN
  UPDATE open_counts SET count = count - 1 WHERE what = 'dead letters';
END;
-- Of which kind they are is counted and chosen from this index alone.
CREATE INDEX dead_letters_kinds ON dead_letters (reason, partner_id, answer, profile, open, at_ms);
CREATE INDEX dead_letters_of_order ON dead_letters (order_id);

-- Events whose schema the registry did not give when they were read: they are read again once it does.
CREATE TABLE unread_events (topic TEXT, partition INTEGER, offset INTEGER, PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;

-- Where a batch could not be read and was left out: what stood in it is not known.
CREATE TABLE left_out (topic TEXT, partition INTEGER, offset INTEGER, PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;

-- What arrived and what ended, for the reconciliation. A unit is an arrival on a source topic or on the replay topic:
-- the event's place, and how often it was put back.
-- stage: 0 nothing else is known, 1 something was done about it, 2 it has ended.
CREATE TABLE units (
  unit TEXT PRIMARY KEY, topic TEXT, partition INTEGER, offset INTEGER, at_ms INTEGER, stage INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX units_open ON units (at_ms) WHERE stage < 2 AND topic IS NOT NULL;
CREATE INDEX units_by_place ON units (topic, partition, offset, stage, at_ms);

-- Where units waited or wait.
CREATE TABLE rests (
  topic TEXT, partition INTEGER, offset INTEGER, unit TEXT NOT NULL, PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX rests_of_unit ON rests (unit);
