/*
 * What the builder asks a PostgreSQL server while a site is built, on one
 * connection: whether it has room for ours, whether it takes the statements of
 * parts, and what their columns are.
 *
 * A server that cannot be reached, that is busy or that ends in the middle is no
 * error: it may be there when it is needed. What it has not said is a warning,
 * and the statement is checked when it runs. What it does not answer at all
 * costs connect_timeout at most, all statements of the database together.
 */
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>

/* --- asking ------------------------------------------------------------------------ */

static void
say_error(const PGresult *r, struct writer *why)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);

	if (!text)
		postgres_write_message(why, PQresultErrorMessage(r));
	else
		writer_text(why, text);
	if (text && hint) {
		writer_text(why, "; ");
		writer_text(why, hint);
	}
}

/* The first two characters of an SQLSTATE: the server's affair, not the statement's. */
static const char *const passing[] = {
	"08", /* connection */
	"40", /* given up for another */
	"53", /* out of resources */
	"55", /* a lock that is not to be had */
	"57", /* it stops, or gave the statement up at its time-out */
	"58", /* the system below it */
	"XX", /* itself */
	NULL,
};

static bool
is_passing(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *const *class = passing;

	if (!state)
		return true;
	while (*class && !slice_has_prefix(slice_of(state), slice_of(*class)))
		class ++;
	return *class != NULL;
}

/* Of what was sent, or not. *r is NULL, or what the server said. 0; ERR_SYNTAX: it is wrong, why
 * says in what; any other: nothing is known, and why says for what reason. */
static int
await(struct postgres *p, bool is_sent, PGresult **r, struct writer *why)
{
	PGconn *db = p->builders;
	uint64_t begun_ns = clock_monotonic(), took_ns;
	int err = ERR_CLOSED;

	*r = NULL;
	if (is_sent)
		err = postgres_result(db, clock_after(begun_ns, p->patience_ns), NULL, r);
	if (err == ERR_TIMEOUT)
		writer_text(why, "no answer within connect_timeout");
	else if (err)
		postgres_write_message(why, PQerrorMessage(db));
	if (err || PQresultStatus(*r) == PGRES_COMMAND_OK || PQresultStatus(*r) == PGRES_TUPLES_OK)
		return err;
	say_error(*r, why);
	if (!is_passing(*r))
		return ERR_SYNTAX;
	took_ns = clock_monotonic() - begun_ns;
	p->patience_ns -= took_ns < p->patience_ns ? took_ns : p->patience_ns;
	return ERR_FAILED;
}

/* It is not worth another question. */
static bool
is_over(const struct postgres *p, int err)
{
	return err == ERR_TIMEOUT || p->patience_ns == 0 || PQstatus(p->builders) != CONNECTION_OK;
}

/* --- the database -------------------------------------------------------------------- */

static int
ask_number(struct postgres *p, const char *sql, unsigned *number, struct writer *why)
{
	uint64_t value = 0;
	PGresult *r;
	int err = await(p, PQsendQuery(p->builders, sql) != 0, &r, why);

	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1 &&
	    slice_to_u64(slice_of(PQgetvalue(r, 0, 0)), &value) != 0)
		value = 0;
	PQclear(r);
	*number = value < UINT32_MAX ? (unsigned)value : 0;
	return err;
}

/* What the server keeps for others is not ours. */
static int
check_room(struct source *s, struct source_build *b, struct postgres *p, struct writer *why)
{
	unsigned wanted = p->database->conf->connections, most = 0, kept = 0;
	int err = ask_number(p, "SELECT current_setting('max_connections')", &most, why);

	if (!err)
		err = ask_number(p,
				 "SELECT sum(setting::int) FROM pg_settings WHERE name IN "
				 "('superuser_reserved_connections', 'reserved_connections')",
				 &kept, why);
	if (most > 0 && wanted + kept > most)
		conf_warning_at(b->errors, s->section, "connections",
				"the server has max_connections = %u, of which %u are reserved: "
				"%u cannot be opened",
				most, kept, wanted);
	return err;
}

void
postgres_check_close(struct postgres *p)
{
	PQfinish(p->builders);
	p->builders = NULL;
}

void
postgres_check_open(struct source *s, struct source_build *b, struct postgres *p)
{
	char text[POSTGRES_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	const struct postgres_options *o = &p->options;
	uint64_t until_ns = clock_after(clock_monotonic(), o->connect_timeout_ns);
	int err;

	p->patience_ns = o->connect_timeout_ns;
	p->builders = postgres_open(o, until_ns, NULL, &why);
	/* No call of libpq waits from here on. */
	if (p->builders && PQsetnonblocking(p->builders, 1) != 0)
		postgres_check_close(p);
	if (p->builders) {
		err = check_room(s, b, p, &why);
		if (!is_over(p, err))
			return;
		postgres_check_close(p);
	}
	conf_warning_at(b->errors, s->section, "url", "statements are not checked: %.*s",
			SLICE_PRINT(writer_slice(&why)));
}

/* --- a statement ------------------------------------------------------------------------ */

/* Of two columns with one name, JSON readers see the last. */
static int
check_columns(const struct sql_statement *s, const PGresult *r, struct writer *why)
{
	int count = s->shape == SQL_ARRAY || s->shape == SQL_OBJECT ? PQnfields(r) : 0;

	for (int i = 0; i < count; i++) {
		for (int k = 0; k < i; k++) {
			if (strcmp(PQfname(r, i), PQfname(r, k)) != 0)
				continue;
			writer_format(why, "two columns bear the name \"%s\"; rename one with AS",
				      PQfname(r, i));
			return ERR_SYNTAX;
		}
	}
	return 0;
}

static int
list_columns(struct sql_statement *s, const PGresult *r, struct arena *a)
{
	unsigned count = (unsigned)PQnfields(r);
	struct slice *column = arena_zalloc(a, count + 1, sizeof(*column));

	if (!column)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		column[i] = arena_copy(a, slice_of(PQfname(r, (int)i)));
		if (!column[i].at)
			return ERR_MEMORY;
	}
	s->column = column;
	s->columns = count;
	return 0;
}

static int
prepare(struct postgres *p, const struct postgres_step *step, struct writer *why)
{
	PGresult *r;
	int err = await(p, PQsendPrepare(p->builders, "", step->text.at, 0, NULL) != 0, &r, why);

	PQclear(r);
	return err;
}

/* Of the one that was prepared last. */
static int
describe(struct postgres *p, struct sql_statement *s, struct arena *a, struct writer *why)
{
	PGresult *r;
	int err = await(p, PQsendDescribePrepared(p->builders, "") != 0, &r, why);

	if (!err)
		err = check_columns(s, r, why);
	if (!err)
		err = list_columns(s, r, a);
	PQclear(r);
	return err;
}

static int
ask_server(struct postgres *p, const struct postgres_script *t, struct sql_statement *s,
	   struct arena *a, struct writer *why)
{
	int err = 0;

	for (unsigned i = 0; i < t->steps && !err; i++)
		err = prepare(p, &t->step[i], why);
	return err ? err : describe(p, s, a, why);
}

int
postgres_check(struct part *part, struct source_build *b, struct postgres *p,
	       const struct postgres_script *t, struct sql_statement *s, struct writer *why)
{
	bool is_last;
	int err;

	if (!p->builders)
		return 0;
	err = ask_server(p, t, s, b->arena, why);
	if (!err || err == ERR_SYNTAX || err == ERR_MEMORY)
		return err;
	is_last = is_over(p, err);
	conf_warning_at(b->errors, part->section, "query", "not checked%s: %.*s",
			is_last ? ", nor are other statements after it" : "",
			SLICE_PRINT(writer_slice(why)));
	if (is_last)
		postgres_check_close(p);
	return 0;
}
