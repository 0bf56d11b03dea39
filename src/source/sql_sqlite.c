/*
 * SQLite behind the kind `sql`: connections. One per pool thread, used by that
 * thread alone. Its library is seen here, in sql_sqlite_check.c (what the
 * configuration asks for) and in sql_sqlite_run.c (what a request does).
 *
 * A statement that runs is looked after every thousand of SQLite's steps, and
 * while it waits for another's lock: when nobody waits for it any more, or its
 * time is over, it ends and changes nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/sql_sqlite_priv.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

enum {
	STEPS = 1000, /* of SQLite's machine between two looks: some tens of microseconds */
	BUSY_NAP_US = 2000,
	BUSY_TRIES = 1000, /* at start, without a job's deadline: about 2 s */
};

/* --- keeping the connection as it is --------------------------------------------- */

/* A connection serves many requests, so none may leave a transaction, another
 * database or a setting behind. */
static int
authorize(void *argument, int action, const char *a, const char *b, const char *database,
	  const char *trigger)
{
	const struct sqlite_connection *c = argument;

	(void)database;
	(void)trigger;
	switch (action) {
	case SQLITE_PRAGMA:
		/* SQLite's own full text search asks these, and sets nothing. */
		if (!b && (strcmp(a, "data_version") == 0 || strcmp(a, "page_size") == 0))
			return SQLITE_OK;
		return SQLITE_DENY;
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_SAVEPOINT:
		return SQLITE_DENY;
	case SQLITE_TRANSACTION:
		return c->is_ours ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_OK;
	}
}

/* --- looking after a statement that runs ----------------------------------------- */

bool
sql_sqlite_is_over(const struct sqlite_connection *c)
{
	return job_is_cancelled(c->call->job) || clock_monotonic() >= c->call->deadline_ns;
}

static int
on_progress(void *argument)
{
	const struct sqlite_connection *c = argument;

	return c->call && sql_sqlite_is_over(c);
}

int
sql_sqlite_on_busy(void *argument, int tries)
{
	const struct sqlite_connection *c = argument;
	struct timespec nap = { .tv_nsec = BUSY_NAP_US * 1000 };

	if (c->call ? sql_sqlite_is_over(c) : tries >= BUSY_TRIES)
		return 0;
	nanosleep(&nap, NULL);
	return 1;
}

/* --- open and close -------------------------------------------------------------- */

static bool
is_there(const struct sql_database *d, struct writer *why)
{
	struct stat s;

	if (stat(d->where.at, &s) != 0) {
		writer_format(why,
			      "there is no database \"%s\": %s; create it, or correct the path",
			      d->where.at, strerror(errno));
		return false;
	}
	if (!S_ISREG(s.st_mode)) {
		writer_format(why, "\"%s\" is not a file", d->where.at);
		return false;
	}
	return true;
}

static void
close_connection(void *connection)
{
	struct sqlite_connection *c = connection;

	if (!c)
		return;
	sql_sqlite_forget(c);
	sqlite3_close(c->db);
	mem_free(&c);
}

/* Write-ahead logging, so that readers and a writer do not wait for each
 * other. It is a property of the file. */
static int
set_journal(struct sqlite_connection *c)
{
	if (sqlite3_db_readonly(c->db, "main") == 1)
		return SQLITE_OK;
	return sqlite3_exec(c->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
}

/* Reads the schema, so that a file that is no database is found now. */
static int
set_up(struct sqlite_connection *c, bool prepares)
{
	int rc = SQLITE_OK;

	sqlite3_busy_handler(c->db, sql_sqlite_on_busy, c);
	/* SQLite heeds them only when it is told to, on each connection. */
	if (sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) != SQLITE_OK)
		return SQLITE_ERROR;
	if (prepares)
		rc = set_journal(c);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_set_authorizer(c->db, authorize, c);
	sqlite3_progress_handler(c->db, STEPS, on_progress, c);
	return SQLITE_OK;
}

static void *
open_connection(const struct sql_database *d, bool prepares, struct writer *why)
{
	int flags = SQLITE_OPEN_NOMUTEX |
		    (d->mode == SQL_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	struct sqlite_connection *c;
	int rc;

	if (!is_there(d, why))
		return NULL;
	c = mem_zalloc(1, sizeof(*c));
	if (!c) {
		writer_text(why, err_text(ERR_MEMORY));
		return NULL;
	}
	rc = sqlite3_open_v2(d->where.at, &c->db, flags, NULL);
	if (rc == SQLITE_OK)
		rc = set_up(c, prepares);
	if (rc == SQLITE_OK)
		return c;
	writer_format(why, "\"%s\" cannot be opened: %s", d->where.at,
		      c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
	close_connection(c);
	return NULL;
}

/* Another file in its place is another database. */
static void
identify(const struct sql_database *d, struct writer *w)
{
	struct stat s;

	if (stat(d->where.at, &s) == 0)
		writer_format(w, "%llu:%llu", (unsigned long long)s.st_dev,
			      (unsigned long long)s.st_ino);
}

const struct sql_driver sql_sqlite = {
	.scheme = "sqlite",
	.open = open_connection,
	.close = close_connection,
	.identify = identify,
	.check = sql_sqlite_check,
	.run = sql_sqlite_run,
};
