/*
 * What the kind `sql` (sql.c) asks of a database library. One const table for
 * each (sql_driver), chosen by the scheme of the database's `url`; only the
 * driver's own file sees the library.
 *
 *   open, close   a connection: builder thread for checks, or a pool thread for its life
 *   check         builder thread, per part
 *   run           pool thread, per job
 */
#ifndef FOREBAY_SOURCE_SQL_DRIVER_H
#define FOREBAY_SOURCE_SQL_DRIVER_H

#include "base/arena.h"
#include "source/sql_conflict.h"
#include "source/sql_rows.h"
#include "source/sql_value.h"
#include "thread/pool.h"

enum { SQL_WHY_BYTES = 400 };

enum sql_mode { SQL_READ_WRITE, SQL_READ_ONLY };

/* Of one [database] section; not changed once it is made. */
struct sql_database {
	struct slice name;
	struct slice where; /* the url without its scheme; a path is absolute; NUL-terminated */
	enum sql_mode mode;
};

/* Of one part; memory of its site. Connections live longer. */
struct sql_statement {
	const struct sql_database *database;
	const char *part; /* for log lines */
	struct slice text; /* NUL-terminated */
	unsigned index; /* within the database of its site: place in the caches of connections,
			 * which are shared with other sites' statements for a while */
	enum sql_shape shape;
	/* Of check(): the names of the parameters, without their colon, in the order in which
	 * values are given. */
	const struct slice *param;
	unsigned params;
	bool writes; /* it, or one of several, changes data */
	const struct slice *column; /* names; NULL: not known before it runs */
	unsigned columns;
};

/* One run. */
struct sql_call {
	const struct sql_statement *statement;
	const struct sql_value *value; /* statement->params of them */
	struct sql_rows *rows;
	bool has_columns; /* of run() */
	uint64_t changed;
	const char *conflict; /* of run() that says ERR_CONFLICT: sql_conflict_word() */
	uint64_t deadline_ns; /* of the statement's time-out; the job's own is in the job */
	const struct job *job;
};

struct sql_driver {
	const char *scheme;
	/* NULL: `why` holds the reason. `prepares` is the builder: it also puts the database in
	 * the state that it needs, once. */
	void *(*open)(const struct sql_database *d, bool prepares, struct writer *why);
	void (*close)(void *connection);
	/* Writes what open() finds now and the rest of `d` does not tell, within 64 bytes: when it
	 * changes, a reload opens the database anew. */
	void (*identify)(const struct sql_database *d, struct writer *w);
	/* 0, ERR_MEMORY, or ERR_SYNTAX and `why` holds the reason. */
	int (*check)(void *connection, struct sql_statement *s, struct arena *arena,
		     struct writer *why);
	/* Rows go to call->rows, its end included. Of several statements all are run or none, and
	 * the rows are the last one's. When it fails nothing was changed. 0, ERR_TIMEOUT,
	 * ERR_CANCELLED (the job's deadline too), ERR_CONFLICT, ERR_TOO_LARGE, ERR_MEMORY or
	 * ERR_FAILED, which has been logged; or the error of the rows. */
	int (*run)(void *connection, struct sql_call *call);
};

extern const struct sql_driver sql_sqlite; /* sql_sqlite.c; when built with SQLite */

#endif
