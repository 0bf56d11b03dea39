-- The demo's database: ISO 3166 as Debian's package iso-codes has it, and land borders.
CREATE TABLE country (
	code TEXT PRIMARY KEY,      -- alpha-2: AD
	alpha_3 TEXT NOT NULL,
	number TEXT NOT NULL,       -- three digits
	name TEXT NOT NULL,
	official_name TEXT,         -- where it differs
	flag TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE subdivision (
	code TEXT PRIMARY KEY,      -- AD-02
	country TEXT NOT NULL REFERENCES country (code),
	name TEXT NOT NULL,
	type TEXT NOT NULL,         -- parish, canton, state
	parent TEXT                 -- the subdivision that this one belongs to
) WITHOUT ROWID;
CREATE INDEX subdivision_country ON subdivision (country, code);

CREATE TABLE border (               -- each border twice, once from each side
	country TEXT NOT NULL REFERENCES country (code),
	neighbour TEXT NOT NULL REFERENCES country (code),
	PRIMARY KEY (country, neighbour)
) WITHOUT ROWID;
