-- How far rows of views that no decision can depend on any more are gone. Not a view, since it is no consequence of the
-- log: a rebuild removes as much.
CREATE TABLE pruned (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Sessions and enrollment links that ended before this.
    ended_before timestamptz NOT NULL DEFAULT 'epoch',
    -- Grants up to this position, and what ended them.
    position     bigint      NOT NULL DEFAULT 0
);
INSERT INTO pruned DEFAULT VALUES;

-- Finds the oldest grants at next to no cost for new ones, whose positions only grow.
CREATE INDEX grants_position ON views.grants USING brin (position) WITH (pages_per_range = 16);
