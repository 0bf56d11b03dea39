/*
 * SQLite behind the kind `sql`: what a request does. Every query of the database
 * is prepared on a connection at its first use and kept while its text is the
 * same: no more of them than parts. Pool thread, on the connection that it owns.
 *
 * A query that writes, or has several statements, is one transaction. Whatever
 * fails - a rule, the deadline, a result that is too large - takes back all of it.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/sql_sqlite_priv.h"

enum { CACHE_FIRST = 16 };

/* One statement of a query. */
struct step {
	sqlite3_stmt *statement;
	unsigned *place; /* of the values of its parameters, among those of the call; owned */
	unsigned places;
};

/* The query of a part. After a reload another may bear its index. */
struct sqlite_prepared {
	char *text; /* of which it was made; NULL: none yet */
	struct step *step;
	unsigned steps;
};

/* --- failures ---------------------------------------------------------------------- */

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
refuse(struct sqlite_connection *c)
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

/* How a call ends whose time is over; 0: it is not. */
static int
over(const struct sqlite_connection *c)
{
	if (!sql_sqlite_is_over(c))
		return 0;
	return job_is_cancelled(c->call->job) ? ERR_CANCELLED : ERR_TIMEOUT;
}

static int
fail(struct sqlite_connection *c, int rc)
{
	const struct sql_statement *s = c->call->statement;

	if (rc == SQLITE_NOMEM)
		return ERR_MEMORY;
	if (rc == SQLITE_TOOBIG)
		return ERR_TOO_LARGE;
	if (rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY) {
		int err = over(c);
		if (err)
			return err;
	}
	/* A mismatch is that of a key which has to be an integer. */
	if (rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH)
		return refuse(c);
	c->is_doubtful = true;
	log_error("database %.*s: part %s: %s", SLICE_PRINT(s->database->name), s->part,
		  sqlite3_errmsg(c->db));
	return ERR_FAILED;
}

/* --- what is prepared ------------------------------------------------------------ */

static void
drop(struct sqlite_prepared *p)
{
	for (unsigned i = 0; i < p->steps; i++) {
		sqlite3_finalize(p->step[i].statement);
		mem_free(&p->step[i].place);
	}
	mem_free(&p->step);
	mem_free(&p->text);
	p->steps = 0;
}

void
sql_sqlite_forget(struct sqlite_connection *c)
{
	for (unsigned i = 0; i < c->count; i++)
		drop(&c->prepared[i]);
	mem_free(&c->prepared);
	c->count = 0;
}

static int
make_room(struct sqlite_connection *c, unsigned index)
{
	unsigned count = c->count ? c->count : CACHE_FIRST;
	struct sqlite_prepared *list;

	if (index < c->count)
		return 0;
	while (count <= index)
		count *= 2;
	list = mem_grow(c->prepared, count * sizeof(*list));
	if (!list)
		return ERR_MEMORY;
	while (c->count < count)
		list[c->count++] = (struct sqlite_prepared){ NULL, NULL, 0 };
	c->prepared = list;
	return 0;
}

static unsigned
find_param(const struct sql_statement *s, struct slice name)
{
	unsigned i = 0;

	while (i < s->params && !slice_eq(s->param[i], name))
		i++;
	ASSERT(i < s->params); /* check() has listed them all */
	return i;
}

/* Where in the call each parameter of the statement has its value. */
static int
place_params(const struct sql_statement *s, struct step *step)
{
	unsigned count = (unsigned)sqlite3_bind_parameter_count(step->statement);

	step->place = mem_zalloc(count + 1, sizeof(*step->place));
	if (!step->place)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++)
		step->place[i] = find_param(
		    s, slice_of(sqlite3_bind_parameter_name(step->statement, (int)i + 1) + 1));
	step->places = count;
	return 0;
}

/* The next statement of the text, if more than space and comments follows. */
static int
add_step(struct sqlite_connection *c, const struct sql_statement *s, struct sqlite_prepared *p,
	 const char **tail)
{
	sqlite3_stmt *statement = NULL;
	struct step *grown;
	int rc = sqlite3_prepare_v3(c->db, *tail, -1, SQLITE_PREPARE_PERSISTENT, &statement, tail);

	if (rc != SQLITE_OK)
		return fail(c, rc);
	if (!statement)
		return 0;
	grown = mem_grow(p->step, (p->steps + 1) * sizeof(*grown));
	if (!grown) {
		sqlite3_finalize(statement);
		return ERR_MEMORY;
	}
	p->step = grown;
	p->step[p->steps] = (struct step){ .statement = statement };
	return place_params(s, &p->step[p->steps++]);
}

static int
prepare(struct sqlite_connection *c, const struct sql_statement *s, struct sqlite_prepared *p)
{
	const char *tail;
	int err = 0;

	drop(p);
	p->text = mem_copy_text(s->text.at);
	if (!p->text)
		return ERR_MEMORY;
	tail = p->text;
	while (*tail && !err)
		err = add_step(c, s, p, &tail);
	if (err)
		drop(p);
	return err;
}

/* From the cache, or prepared now. */
static int
find_prepared(struct sqlite_connection *c, const struct sql_statement *s,
	      struct sqlite_prepared **found)
{
	int err = make_room(c, s->index);
	struct sqlite_prepared *p;

	if (err)
		return err;
	p = *found = &c->prepared[s->index];
	return p->text && strcmp(p->text, s->text.at) == 0 ? 0 : prepare(c, s, p);
}

/* --- one statement --------------------------------------------------------------- */

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
bind(struct sqlite_connection *c, const struct step *step)
{
	for (unsigned i = 0; i < step->places; i++) {
		int rc = bind_value(step->statement, (int)i + 1, &c->call->value[step->place[i]]);
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

/* A statement that writes runs to its end, even if no more of its rows are wanted. rows may be
 * NULL: none are. */
static int
step_through(struct sqlite_connection *c, sqlite3_stmt *statement, struct sql_rows *rows)
{
	bool reads = sqlite3_stmt_readonly(statement);
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!rows)
			continue;
		if (!sql_rows_is_satisfied(rows))
			put_row(rows, statement);
		if (rows->out->err)
			return rows->out->err;
		if (reads && sql_rows_is_satisfied(rows))
			return 0;
	}
	return rc == SQLITE_DONE ? 0 : fail(c, rc);
}

/* What the statement came to: the result is the last one's. */
static void
note_end(struct sqlite_connection *c, sqlite3_stmt *statement, int changes_before)
{
	struct sql_call *call = c->call;

	call->has_columns = sqlite3_column_count(statement) > 0;
	call->changed = 0;
	/* What is no INSERT, UPDATE or DELETE leaves the last count as it was. */
	if (sqlite3_total_changes(c->db) != changes_before)
		call->changed = (uint64_t)sqlite3_changes(c->db);
}

static int
run_step(struct sqlite_connection *c, const struct step *step, struct sql_rows *rows)
{
	int changes_before = sqlite3_total_changes(c->db);
	int err = bind(c, step);

	if (!err)
		err = step_through(c, step->statement, rows);
	if (!err && rows)
		note_end(c, step->statement, changes_before);
	sqlite3_reset(step->statement);
	sqlite3_clear_bindings(step->statement);
	return err;
}

static int
run_steps(struct sqlite_connection *c, const struct sqlite_prepared *p)
{
	struct sql_call *call = c->call;
	int err = 0;

	for (unsigned i = 0; i < p->steps && !err; i++)
		err = run_step(c, &p->step[i], i + 1 == p->steps ? call->rows : NULL);
	if (err)
		return err;
	sql_rows_end(call->rows, call->has_columns, call->changed);
	return call->rows->out->err;
}

/* --- as one transaction ------------------------------------------------------------ */

/* What another process holds is waited for as long as there is time. */
static int
control(struct sqlite_connection *c, const char *sql)
{
	int rc;

	c->is_ours = true;
	do
		rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
	while (rc == SQLITE_BUSY && sql_sqlite_on_busy(c, 0));
	c->is_ours = false;
	return rc == SQLITE_OK ? 0 : fail(c, rc);
}

/* Nothing stops it: neither cancel nor deadline. SQLite has done it by itself after some errors. */
static void
roll_back(struct sqlite_connection *c)
{
	if (sqlite3_get_autocommit(c->db))
		return;
	c->call = NULL;
	c->is_ours = true;
	if (sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
		log_error("sqlite: ROLLBACK: %s", sqlite3_errmsg(c->db));
	c->is_ours = false;
}

/* A writer takes the lock at once: one that read first could find, at its first write, that
 * another has changed what it read, which no waiting mends. */
static int
run_transaction(struct sqlite_connection *c, const struct sqlite_prepared *p)
{
	int err = control(c, c->call->statement->writes ? "BEGIN IMMEDIATE" : "BEGIN");

	if (!err)
		err = run_steps(c, p);
	if (!err)
		err = over(c);
	if (!err)
		err = control(c, "COMMIT");
	if (err)
		roll_back(c);
	return err;
}

/* A statement that does not fit the schema is not prepared again until somebody has looked whether
 * it is still that one, and it does not look itself. */
static void
look_at_schema(struct sqlite_connection *c)
{
	c->is_doubtful = sqlite3_exec(c->db, "SELECT 1 FROM sqlite_schema LIMIT 0", NULL, NULL,
				      NULL) != SQLITE_OK;
}

int
sql_sqlite_run(void *connection, struct sql_call *call)
{
	struct sqlite_connection *c = connection;
	struct sqlite_prepared *p = NULL;
	int err;

	c->call = call;
	if (c->is_doubtful)
		look_at_schema(c);
	err = find_prepared(c, call->statement, &p);
	if (!err)
		err = call->statement->writes || p->steps > 1 ? run_transaction(c, p)
							      : run_steps(c, p);
	c->call = NULL;
	return err;
}
