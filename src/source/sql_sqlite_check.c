/*
 * SQLite behind the kind `sql`: what a part asks for, checked when the
 * configuration is read. A query is one statement, or several that are run as
 * one transaction. Builder thread.
 */
#include "source/sql_sqlite_priv.h"

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

static bool
is_listed(const struct sql_statement *s, struct slice name)
{
	for (unsigned i = 0; i < s->params; i++) {
		if (slice_eq(s->param[i], name))
			return true;
	}
	return false;
}

/* The parameters of one more statement, once each: the same name is the same value. */
static int
list_params(struct sql_statement *s, sqlite3_stmt *statement, struct arena *arena,
	    struct writer *why)
{
	unsigned count = (unsigned)sqlite3_bind_parameter_count(statement);
	struct slice *param = arena_zalloc(arena, s->params + count + 1, sizeof(*param));

	if (!param)
		return ERR_MEMORY;
	if (s->params > 0)
		memcpy(param, s->param, s->params * sizeof(*param));
	s->param = param;
	for (unsigned i = 0; i < count; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, (int)i + 1);
		if (!is_named(name)) {
			writer_format(why, "parameters are written as :name, not as \"%s\"",
				      name ? name : "?");
			return ERR_SYNTAX;
		}
		if (is_listed(s, slice_of(name + 1)))
			continue;
		param[s->params] = arena_copy(arena, slice_of(name + 1));
		if (!param[s->params++].at)
			return ERR_MEMORY;
	}
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

/* Names what the columns are, for who asks about them. */
static int
list_columns(struct sql_statement *s, sqlite3_stmt *statement, struct arena *arena)
{
	unsigned count = (unsigned)sqlite3_column_count(statement);
	struct slice *column = arena_zalloc(arena, count + 1, sizeof(*column));

	if (!column)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		const char *name = sqlite3_column_name(statement, (int)i);

		column[i] = name ? arena_copy(arena, slice_of(name)) : slice_make(NULL, 0);
		if (!column[i].at)
			return ERR_MEMORY;
	}
	s->column = column;
	s->columns = count;
	return 0;
}

static void
say_why_not(struct sqlite_connection *c, int rc, struct writer *why)
{
	if (rc == SQLITE_AUTH)
		writer_text(why, "a part cannot attach databases, hold transactions or use PRAGMA: "
				 "its connection serves other requests too");
	else if (rc != SQLITE_OK)
		writer_text(why, sqlite3_errmsg(c->db));
	else
		writer_text(why, "there is no statement in it");
}

/* What one statement of the query needs. */
static int
check_one(struct sqlite_connection *c, struct sql_statement *s, sqlite3_stmt *statement,
	  struct arena *arena, struct writer *why)
{
	int err = list_params(s, statement, arena, why);

	if (err || sqlite3_stmt_readonly(statement))
		return err;
	s->writes = true;
	if (s->database->mode == SQL_READ_ONLY || sqlite3_db_readonly(c->db, "main") != 1)
		return 0;
	writer_format(why, "the statement writes, and \"%s\" may not be written",
		      s->database->where.at);
	return ERR_SYNTAX;
}

/* The result is that of the last one. */
static int
check_last(struct sql_statement *s, sqlite3_stmt *statement, struct arena *arena,
	   struct writer *why)
{
	int err = check_columns(s, statement, why);

	return err ? err : list_columns(s, statement, arena);
}

int
sql_sqlite_check(void *connection, struct sql_statement *s, struct arena *arena, struct writer *why)
{
	struct sqlite_connection *c = connection;
	const char *tail = s->text.at;
	sqlite3_stmt *last = NULL;
	int rc = SQLITE_OK, err = 0;

	while (*tail && !err) {
		sqlite3_stmt *statement = NULL;

		rc = sqlite3_prepare_v2(c->db, tail, -1, &statement, &tail);
		if (rc == SQLITE_OK && !statement)
			continue; /* space and comments */
		sqlite3_finalize(last);
		last = statement;
		err = rc == SQLITE_OK ? check_one(c, s, statement, arena, why) : ERR_SYNTAX;
	}
	if (!last)
		err = ERR_SYNTAX;
	if (!last)
		say_why_not(c, rc, why);
	if (!err)
		err = check_last(s, last, arena, why);
	sqlite3_finalize(last);
	return err;
}
