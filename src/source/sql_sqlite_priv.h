/*
 * What the files that see SQLite share: sql_sqlite.c opens connections,
 * sql_sqlite_check.c checks statements (builder thread), sql_sqlite_run.c runs
 * them (pool thread).
 */
#ifndef FOREBAY_SOURCE_SQL_SQLITE_PRIV_H
#define FOREBAY_SOURCE_SQL_SQLITE_PRIV_H

#include "source/sql_driver.h"

#include <sqlite3.h>

struct sqlite_prepared;

struct sqlite_connection {
	sqlite3 *db;
	struct sqlite_prepared *prepared; /* by sql_statement.index; of sql_sqlite_run.c */
	unsigned count;
	struct sql_call *call; /* that runs now */
	bool is_doubtful; /* a statement failed: what the library knows of the schema may be old */
	bool is_ours; /* what runs now is not the configuration's: it may begin a transaction */
};

/* --- sql_sqlite.c --- */

/* Nobody waits for the call any more, or its time is over. */
bool sql_sqlite_is_over(const struct sqlite_connection *c);
/* Another connection has the lock: waits a little; 1 to try again, 0 when the call is over. */
int sql_sqlite_on_busy(void *connection, int tries);

/* --- sql_sqlite_check.c, sql_sqlite_run.c: of struct sql_driver --- */

int sql_sqlite_check(void *connection, struct sql_statement *s, struct arena *arena,
		     struct writer *why) MUST_CHECK;
int sql_sqlite_run(void *connection, struct sql_call *call) MUST_CHECK;
/* Drops all that is prepared. */
void sql_sqlite_forget(struct sqlite_connection *c);

#endif
