/*
 * SQLite behind the kind `sql`: the only file that sees its library. One
 * connection per pool thread, used by that thread alone, with every statement
 * of the database prepared at its first use and kept while its text is the same.
 *
 * A statement that runs is looked after every thousand of SQLite's steps, and
 * while it waits for another's lock: when nobody waits for it any more, or its
 * time is over, it ends and changes nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/sql_driver.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

enum {
	STEPS = 1000, /* of SQLite's machine between two looks: some tens of microseconds */
	BUSY_NAP_US = 2000,
	CACHE_FIRST = 16,
	BUSY_TRIES = 1000, /* at start, without a job's deadline: about 2 s */
};

/* A statement of a part. After a reload another may bear its index. */
struct prepared {
	sqlite3_stmt *statement; /* NULL: none yet */
	char *text; /* of which it was made */
};

struct connection {
	sqlite3 *db;
	struct prepared *prepared; /* by index */
	unsigned count;
	struct sql_call *call; /* that runs now */
};

/* --- keeping the connection as it is --------------------------------------------- */

/* A connection serves many requests, so none may leave a transaction, another
 * database or a setting behind. */
static int
authorize(void *argument, int action, const char *a, const char *b, const char *database,
	  const char *trigger)
{
	(void)argument;
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
	case SQLITE_TRANSACTION:
		return SQLITE_DENY;
	default:
		return SQLITE_OK;
	}
}

/* --- looking after a statement that runs ----------------------------------------- */

static bool
is_over(const struct connection *c)
{
	return job_is_cancelled(c->call->job) || clock_monotonic() >= c->call->deadline_ns;
}

static int
on_progress(void *argument)
{
	const struct connection *c = argument;

	return c->call && is_over(c);
}

/* Another connection has the lock: 1 to try again. */
static int
on_busy(void *argument, int tries)
{
	const struct connection *c = argument;
	struct timespec nap = { .tv_nsec = BUSY_NAP_US * 1000 };

	if (c->call ? is_over(c) : tries >= BUSY_TRIES)
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
drop_prepared(struct prepared *p)
{
	sqlite3_finalize(p->statement);
	p->statement = NULL;
	mem_free(&p->text);
}

static void
close_connection(void *connection)
{
	struct connection *c = connection;

	if (!c)
		return;
	for (unsigned i = 0; i < c->count; i++)
		drop_prepared(&c->prepared[i]);
	sqlite3_close(c->db);
	mem_free(&c->prepared);
	mem_free(&c);
}

/* Write-ahead logging, so that readers and a writer do not wait for each
 * other. It is a property of the file. */
static int
set_journal(struct connection *c)
{
	if (sqlite3_db_readonly(c->db, "main") == 1)
		return SQLITE_OK;
	return sqlite3_exec(c->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
}

/* Reads the schema, so that a file that is no database is found now. */
static int
set_up(struct connection *c, bool prepares)
{
	int rc = SQLITE_OK;

	sqlite3_busy_handler(c->db, on_busy, c);
	/* SQLite heeds them only when it is told to, on each connection. */
	if (sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) != SQLITE_OK)
		return SQLITE_ERROR;
	if (prepares)
		rc = set_journal(c);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_set_authorizer(c->db, authorize, NULL);
	sqlite3_progress_handler(c->db, STEPS, on_progress, c);
	return SQLITE_OK;
}

static void *
open_connection(const struct sql_database *d, bool prepares, struct writer *why)
{
	int flags = SQLITE_OPEN_NOMUTEX |
		    (d->mode == SQL_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	struct connection *c;
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

/* --- checking a part's statement ------------------------------------------------- */

/* Whether anything but space and comments follows. */
static bool
has_more(struct connection *c, const char *tail)
{
	while (*tail) {
		sqlite3_stmt *more = NULL;
		int rc = sqlite3_prepare_v2(c->db, tail, -1, &more, &tail);
		bool is_statement = more != NULL || rc != SQLITE_OK;
		sqlite3_finalize(more);
		if (is_statement)
			return true;
	}
	return false;
}

/* :name of letters, digits and _; ?, @name and $name would be a second way to say it. */
static bool
is_named(const char *parameter)
{
	if (!parameter || parameter[0] != ':' || parameter[1] == '\0')
		return false;
	for (const char *c = parameter + 1; *c; c++) {
		if (!(ascii_lower(*c) >= 'a' && ascii_lower(*c) <= 'z') && !ascii_is_digit(*c) &&
		    *c != '_')
			return false;
	}
	return true;
}

static int
list_params(struct sql_statement *s, sqlite3_stmt *statement, struct arena *arena,
	    struct writer *why)
{
	unsigned count = (unsigned)sqlite3_bind_parameter_count(statement);
	struct slice *param = arena_zalloc(arena, count + 1, sizeof(*param));

	if (!param)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, (int)i + 1);
		if (!is_named(name)) {
			writer_format(why, "parameters are written as :name, not as \"%s\"",
				      name ? name : "?");
			return ERR_SYNTAX;
		}
		param[i] = arena_copy(arena, slice_of(name + 1));
		if (!param[i].at)
			return ERR_MEMORY;
	}
	s->param = param;
	s->params = count;
	return 0;
}

/* Of two columns with one name, JSON readers see the last. */
static int
check_columns(const struct sql_statement *s, sqlite3_stmt *statement, struct writer *why)
{
	int count = sqlite3_column_count(statement);

	for (int i = 0; i < count && (s->shape == SQL_ARRAY || s->shape == SQL_OBJECT); i++) {
		const char *name = sqlite3_column_name(statement, i);
		for (int k = 0; k < i && name; k++) {
			const char *other = sqlite3_column_name(statement, k);
			if (!other || strcmp(name, other) != 0)
				continue;
			writer_format(why, "two columns bear the name \"%s\"; rename one with AS",
				      name);
			return ERR_SYNTAX;
		}
	}
	return 0;
}

static int
check_mode(struct connection *c, const struct sql_statement *s, sqlite3_stmt *statement,
	   struct writer *why)
{
	if (sqlite3_stmt_readonly(statement) || sqlite3_db_readonly(c->db, "main") != 1)
		return 0;
	if (s->database->mode == SQL_READ_ONLY)
		writer_format(why, "the statement writes, and the database has mode = ro");
	else
		writer_format(why, "the statement writes, and \"%s\" may not be written",
			      s->database->where.at);
	return ERR_SYNTAX;
}

static void
say_why_not(struct connection *c, int rc, struct writer *why)
{
	if (rc == SQLITE_AUTH)
		writer_text(why, "a part cannot attach databases, hold transactions or use PRAGMA: "
				 "its connection serves other requests too");
	else if (rc != SQLITE_OK)
		writer_text(why, sqlite3_errmsg(c->db));
	else
		writer_text(why, "there is no statement in it");
}

static int
check(void *connection, struct sql_statement *s, struct arena *arena, struct writer *why)
{
	struct connection *c = connection;
	sqlite3_stmt *statement = NULL;
	const char *tail = NULL;
	int rc = sqlite3_prepare_v2(c->db, s->text.at, -1, &statement, &tail);
	int err = ERR_SYNTAX;

	if (rc != SQLITE_OK || !statement) {
		say_why_not(c, rc, why);
		return ERR_SYNTAX;
	}
	if (has_more(c, tail))
		writer_text(why, "there is more than one statement in it");
	else
		err = list_params(s, statement, arena, why);
	if (!err)
		err = check_columns(s, statement, why);
	if (!err)
		err = check_mode(c, s, statement, why);
	sqlite3_finalize(statement);
	return err;
}

/* --- running --------------------------------------------------------------------- */

static const struct {
	int extended;
	enum sql_conflict conflict;
} conflicts[] = {
	{ SQLITE_CONSTRAINT_UNIQUE, SQL_CONFLICT_UNIQUE },
	{ SQLITE_CONSTRAINT_PRIMARYKEY, SQL_CONFLICT_UNIQUE },
	{ SQLITE_CONSTRAINT_ROWID, SQL_CONFLICT_UNIQUE },
	{ SQLITE_CONSTRAINT_FOREIGNKEY, SQL_CONFLICT_FOREIGN_KEY },
	{ SQLITE_CONSTRAINT_CHECK, SQL_CONFLICT_CHECK },
	{ SQLITE_CONSTRAINT_NOTNULL, SQL_CONFLICT_NOT_NULL },
};

/* The texts of these errors name tables and columns, and hold no value. */
static int
refuse(struct connection *c)
{
	const struct sql_statement *s = c->call->statement;
	int extended = sqlite3_extended_errcode(c->db);
	enum sql_conflict conflict = SQL_CONFLICT_RULE;

	for (unsigned i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
		if (conflicts[i].extended == extended)
			conflict = conflicts[i].conflict;
	}
	c->call->conflict = sql_conflict_word(conflict);
	log_debug("database %.*s: part %s: %s", SLICE_PRINT(s->database->name), s->part,
		  sqlite3_errmsg(c->db));
	return ERR_CONFLICT;
}

static int
fail(struct connection *c, int rc)
{
	const struct sql_statement *s = c->call->statement;
	/* What a request can cause is no fault of ours. */
	enum log_level level = rc == SQLITE_MISMATCH ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;

	if (rc == SQLITE_NOMEM)
		return ERR_MEMORY;
	if (rc == SQLITE_TOOBIG)
		return ERR_TOO_LARGE;
	if (rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY) {
		if (job_is_cancelled(c->call->job))
			return ERR_CANCELLED;
		if (clock_monotonic() >= c->call->deadline_ns)
			return ERR_TIMEOUT;
	}
	if (rc == SQLITE_CONSTRAINT)
		return refuse(c);
	log_line(level, "database %.*s: part %s: %s", SLICE_PRINT(s->database->name), s->part,
		 sqlite3_errmsg(c->db));
	return ERR_FAILED;
}

static int
make_room(struct connection *c, unsigned index)
{
	unsigned count = c->count ? c->count : CACHE_FIRST;
	struct prepared *list;

	if (index < c->count)
		return 0;
	while (count <= index)
		count *= 2;
	list = mem_grow(c->prepared, count * sizeof(*list));
	if (!list)
		return ERR_MEMORY;
	while (c->count < count)
		list[c->count++] = (struct prepared){ NULL, NULL };
	c->prepared = list;
	return 0;
}

static int
prepare(struct connection *c, const struct sql_statement *s, struct prepared *p)
{
	int rc;

	drop_prepared(p);
	p->text = mem_copy_text(s->text.at);
	if (!p->text)
		return ERR_MEMORY;
	rc = sqlite3_prepare_v3(c->db, p->text, -1, SQLITE_PREPARE_PERSISTENT, &p->statement, NULL);
	return rc == SQLITE_OK ? 0 : fail(c, rc);
}

/* From the cache, or prepared now. */
static int
find_statement(struct connection *c, const struct sql_statement *s, sqlite3_stmt **found)
{
	int err = make_room(c, s->index);
	struct prepared *p;

	if (err)
		return err;
	p = &c->prepared[s->index];
	if (!p->statement || strcmp(p->text, s->text.at) != 0)
		err = prepare(c, s, p);
	*found = p->statement;
	return err;
}

static int
bind_value(sqlite3_stmt *statement, int place, const struct sql_value *v)
{
	switch (v->type) {
	case SQL_TYPE_NULL:
		return sqlite3_bind_null(statement, place);
	case SQL_TYPE_INTEGER:
	case SQL_TYPE_BOOLEAN:
		return sqlite3_bind_int64(statement, place, v->integer);
	case SQL_TYPE_REAL:
		return sqlite3_bind_double(statement, place, v->real);
	case SQL_TYPE_TEXT:
	case SQL_TYPE_JSON:
		break;
	}
	return sqlite3_bind_text64(statement, place, v->text.len ? v->text.at : "", v->text.len,
				   SQLITE_STATIC, SQLITE_UTF8);
}

/* The values stay where they are until the statement is reset. */
static int
bind(struct connection *c, sqlite3_stmt *statement, const struct sql_call *call)
{
	for (unsigned i = 0; i < call->statement->params; i++) {
		int rc = bind_value(statement, (int)i + 1, &call->value[i]);
		if (rc != SQLITE_OK)
			return fail(c, rc);
	}
	return 0;
}

static void
put_column(struct sql_rows *rows, sqlite3_stmt *statement, int i)
{
	const void *at;

	switch (sqlite3_column_type(statement, i)) {
	case SQLITE_INTEGER:
		sql_rows_i64(rows, sqlite3_column_int64(statement, i));
		break;
	case SQLITE_FLOAT:
		sql_rows_real(rows, sqlite3_column_double(statement, i));
		break;
	case SQLITE_TEXT:
		at = sqlite3_column_text(statement, i);
		sql_rows_text(rows, slice_make(at, (size_t)sqlite3_column_bytes(statement, i)));
		break;
	case SQLITE_BLOB:
		at = sqlite3_column_blob(statement, i);
		sql_rows_bytes(rows, slice_make(at, (size_t)sqlite3_column_bytes(statement, i)));
		break;
	default:
		sql_rows_null(rows);
	}
}

static void
put_row(struct sql_rows *rows, sqlite3_stmt *statement)
{
	unsigned wanted = sql_rows_row(rows, (unsigned)sqlite3_column_count(statement));

	for (unsigned i = 0; i < wanted && !rows->out->err; i++) {
		sql_rows_name(rows, slice_of(sqlite3_column_name(statement, (int)i)));
		put_column(rows, statement, (int)i);
	}
	sql_rows_row_end(rows);
}

/* A statement that writes runs to its end, whatever becomes of its rows. */
static int
step_through(struct connection *c, sqlite3_stmt *statement, struct sql_rows *rows)
{
	bool reads = sqlite3_stmt_readonly(statement);
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		bool is_enough = rows->out->err || sql_rows_is_satisfied(rows);
		if (!is_enough)
			put_row(rows, statement);
		if (reads && (rows->out->err || sql_rows_is_satisfied(rows)))
			return 0;
	}
	return rc == SQLITE_DONE ? 0 : fail(c, rc);
}

static int
run_statement(struct connection *c, struct sql_call *call)
{
	int changes_before = sqlite3_total_changes(c->db);
	sqlite3_stmt *statement = NULL;
	int err = find_statement(c, call->statement, &statement);

	if (!err)
		err = bind(c, statement, call);
	if (!err)
		err = step_through(c, statement, call->rows);
	if (!err) {
		call->has_columns = sqlite3_column_count(statement) > 0;
		/* What is no INSERT, UPDATE or DELETE leaves the last count as it was. */
		if (sqlite3_total_changes(c->db) != changes_before)
			call->changed = (uint64_t)sqlite3_changes(c->db);
	}
	if (statement) {
		sqlite3_reset(statement);
		sqlite3_clear_bindings(statement);
	}
	return err;
}

static int
run(void *connection, struct sql_call *call)
{
	struct connection *c = connection;
	int err;

	c->call = call;
	err = run_statement(c, call);
	c->call = NULL;
	return err;
}

const struct sql_driver sql_sqlite = {
	.scheme = "sqlite",
	.open = open_connection,
	.close = close_connection,
	.identify = identify,
	.check = check,
	.run = run,
};
