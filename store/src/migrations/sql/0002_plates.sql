-- What a plate read says beside its text, for questions about reading itself: how many are sure, which do not go with their
-- vehicle. The whole read stands in `body`. Rows from before have the defaults: nothing was read then.

ALTER TABLE passages
    ADD COLUMN IF NOT EXISTS plate_sure Bool DEFAULT false AFTER plate_confidence,
    ADD COLUMN IF NOT EXISTS plate_kind LowCardinality(String) DEFAULT '' AFTER plate_sure,
    ADD COLUMN IF NOT EXISTS plate_colour LowCardinality(String) DEFAULT '' AFTER plate_kind,
    ADD COLUMN IF NOT EXISTS plate_mismatch Bool DEFAULT false AFTER plate_colour;

ALTER TABLE violations
    ADD COLUMN IF NOT EXISTS plate_sure Bool DEFAULT false AFTER plate_confidence,
    ADD COLUMN IF NOT EXISTS plate_kind LowCardinality(String) DEFAULT '' AFTER plate_sure,
    ADD COLUMN IF NOT EXISTS plate_colour LowCardinality(String) DEFAULT '' AFTER plate_kind,
    ADD COLUMN IF NOT EXISTS plate_mismatch Bool DEFAULT false AFTER plate_colour;
