/*
 * SQL statements on threads of pools that the database has for itself, each
 * with a connection: for libraries whose calls block, behind sql_driver.h.
 * The way to the pool and back is offload.h's.
 *
 *   parts that read  ==> database.NAME         `connections` threads
 *   parts that write ==> database.NAME.writer  one
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/offload.h"
#include "source/sql_priv.h"

#define WRITER ".writer"

enum { POOL_NAME_BYTES = 160, IDENTITY_BYTES = 128 };

/* What threads of the pool open their connections by. The pool's own, because a
 * pool whose database is unchanged outlives the site. */
struct opener {
	const struct sql_driver *driver;
	struct sql_database sql; /* its texts follow */
	char memory[];
};

/* --- [database NAME] ------------------------------------------------------------- */

static int
open_thread(struct pool_thread *t, void *argument)
{
	struct opener *o = argument;
	char text[SQL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));

	t->state = o->driver->open(&o->sql, false, &why);
	if (t->state)
		return 0;
	log_error("database %.*s: %.*s", SLICE_PRINT(o->sql.name), SLICE_PRINT(writer_slice(&why)));
	return ERR_FAILED;
}

static void
close_thread(struct pool_thread *t, void *argument)
{
	struct opener *o = argument;

	o->driver->close(t->state);
}

/* Writes the text and the NUL that its borrower may count on. */
static struct slice
copy_text(struct writer *w, struct slice text)
{
	size_t at = w->len;

	writer_put(w, text);
	writer_char(w, '\0');
	return slice_make(w->at + at, text.len);
}

static struct opener *
opener_new(const struct database *d)
{
	size_t bytes = d->sql.name.len + d->sql.where.len + 2;
	struct opener *o = mem_alloc(sizeof(*o) + bytes);
	struct writer w;

	if (!o)
		return NULL;
	w = writer_over(o->memory, bytes);
	o->driver = d->driver;
	o->sql.name = copy_text(&w, d->sql.name);
	o->sql.where = copy_text(&w, d->sql.where);
	o->sql.mode = d->sql.mode;
	return o;
}

static void
opener_free(void *argument)
{
	struct opener *o = argument;

	mem_free(&o);
}

/* All that decides what a connection is. NULL without memory. */
static const char *
make_identity(struct source_build *b, const struct database *d)
{
	size_t bytes = d->conf->url.len + IDENTITY_BYTES;
	char *memory = arena_alloc(b->arena, bytes);
	struct writer w = writer_over(memory, memory ? bytes : 0);

	writer_format(&w, "%s:%s %s ", d->driver->scheme, d->sql.where.at,
		      d->sql.mode == SQL_READ_ONLY ? "ro" : "rw");
	d->driver->identify(&d->sql, &w);
	writer_char(&w, '\0');
	return w.is_full ? NULL : memory;
}

static struct pool *
make_pool(struct source_build *b, const struct database *d, const char *suffix, unsigned threads)
{
	char name[POOL_NAME_BYTES];
	struct writer w = writer_over(name, sizeof(name));
	struct pool_options o = {
		.name = name,
		.limits.threads = threads,
		.limits.max_queue = d->conf->max_queue,
		.limits.max_wait_ns = d->conf->wait.max_wait,
		.order = d->conf->wait.order,
		.identity = make_identity(b, d),
		.thread_init = open_thread,
		.thread_fini = close_thread,
		.argument_free = opener_free,
	};

	writer_format(&w, "database.%.*s%s", SLICE_PRINT(d->sql.name), suffix);
	if (o.identity)
		o.argument = opener_new(d);
	return o.argument ? b->make_pool(b->argument, &o) : NULL;
}

/* Opens it once, so that what is wrong is said with its line. */
static int
try_database(struct source *s, struct source_build *b, struct database *d)
{
	char text[SQL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	void *connection = d->driver->open(&d->sql, true, &why);

	if (!connection) {
		conf_error_at(b->errors, s->section, "url", "%.*s",
			      SLICE_PRINT(writer_slice(&why)));
		return ERR_FAILED;
	}
	d->driver->close(connection);
	return 0;
}

static int
load(struct source *s, struct source_build *b, struct database *d)
{
	int err = 0;

	if (slice_has_suffix(s->name, SLICE(WRITER)) ||
	    slice_has_suffix(s->name, SLICE(SQL_OPENER))) {
		conf_error_at(b->errors, s->section, NULL,
			      "the name is that of a pool that a database may have");
		return ERR_SYNTAX;
	}
	err = try_database(s, b, d);
	if (err)
		return err;
	d->pool = make_pool(b, d, "", d->conf->connections);
	if (d->pool)
		return 0;
	conf_error_at(
	    b->errors, s->section, "connections",
	    "%u connections cannot be opened: may [server] user read the file and its folder?",
	    d->conf->connections);
	return ERR_FAILED;
}

/* Made for the first part that writes. One thread: in SQLite there is one writer at a time, and a
 * queue with deadlines is a better place to wait for one's turn than a lock that is polled. */
static int
need_writer(struct part *p, struct source_build *b, struct database *d)
{
	const struct conf_section *section = p->source->section;

	if (d->sql.mode == SQL_READ_ONLY) {
		conf_error_at(b->errors, p->section, "query",
			      "the statement writes, and the database has mode = ro (%s)",
			      conf_place(section, "mode").text);
		return ERR_SYNTAX;
	}
	if (!d->writer)
		d->writer = make_pool(b, d, WRITER, 1);
	if (d->writer)
		return 0;
	conf_error_at(b->errors, section, "url",
		      "a connection for writing cannot be opened: may [server] user write to the "
		      "file and its folder?");
	return ERR_FAILED;
}

static struct pool *
pool_of(const struct part *p)
{
	const struct database *d = sql_database_of(p);
	const struct sql_part *conf = p->conf;

	return conf->statement.writes ? d->writer : d->pool;
}

static int
check_statement(struct part *p, struct source_build *b, struct database *d, struct sql_statement *s)
{
	struct sql_part *conf = p->conf;
	char text[SQL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	void *connection = d->driver->open(&d->sql, false, &why);
	int err = ERR_FAILED;

	if (connection)
		err = d->driver->check(connection, s, b->arena, &why);
	if (err && err != ERR_MEMORY)
		conf_error_at(b->errors, p->section, "query", "%.*s",
			      SLICE_PRINT(writer_slice(&why)));
	d->driver->close(connection);
	if (!err && s->writes)
		err = need_writer(p, b, d);
	if (!err)
		conf->cost = pool_cost(pool_of(p), p->section->name, 0);
	return err;
}

/* --- one subrequest -------------------------------------------------------------- */

struct query {
	struct offload offload;
	const struct database *database;
	const struct sql_part *conf;
	struct sql_value value[]; /* statement.params of them; their bytes follow */
};

static void
bounds(const struct part *p, struct source_bounds *b)
{
	const struct database *d = p->source->state;

	b->work_ns = d->conf->statement_timeout_ns;
	b->work_key = "statement_timeout";
}

static struct cost *
cost_of(const struct part *p)
{
	const struct sql_part *conf = p->conf;

	return conf->cost;
}

static struct offload *
make(const struct subrequest *q)
{
	const struct sql_part *conf = q->part->conf;
	const struct slice *value = q->value + conf->first_value;
	const struct part_value *declared = q->part->value + conf->first_value;
	unsigned params = conf->statement.params;
	size_t bytes = sizeof(struct query) + params * sizeof(struct sql_value);
	struct query *query;
	char *end;

	for (unsigned i = 0; i < params; i++) {
		if (!mem_add(bytes, value[i].len, &bytes))
			return NULL;
	}
	query = mem_alloc(bytes);
	if (!query)
		return NULL;
	*query = (struct query){ .database = q->part->source->state, .conf = conf };
	query->offload.type = SLICE("application/json");
	end = (char *)(query->value + params);
	for (unsigned i = 0; i < params; i++) {
		if (value[i].len > 0)
			memcpy(end, value[i].at, value[i].len);
		query->value[i] = sql_value_of(slice_make(end, value[i].len), declared[i].is_typed);
		end += value[i].len;
	}
	return &query->offload;
}

static int
run(struct offload *o, struct pool_thread *t)
{
	struct query *query = CONTAINER_OF(o, struct query, offload);
	const struct database *d = query->database;
	struct sql_rows rows;
	struct sql_call call = {
		.statement = &query->conf->statement,
		.value = query->value,
		.rows = &rows,
		.deadline_ns = clock_after(clock_monotonic(), d->conf->statement_timeout_ns),
		.job = &o->job,
	};
	int err;

	sql_rows_begin(&rows, query->conf->shape, &o->output);
	sql_rows_splice(&rows, query->conf->json.at, (unsigned)query->conf->json.count);
	err = d->driver->run(t->state, &call);
	o->conflict = call.conflict;
	if (rows.bad)
		log_error("database %.*s: part %s: what is in column %.*s is no JSON",
			  SLICE_PRINT(d->sql.name), call.statement->part, SLICE_PRINT(*rows.bad));
	if (err)
		return err;
	if (query->conf->empty == SQL_EMPTY_404 &&
	    (call.has_columns ? rows.count : call.changed) == 0)
		o->status = 404;
	return 0;
}

static const struct offload_ops offload_ops = {
	.pool = pool_of,
	.cost = cost_of,
	.make = make,
	.run = run,
};

static int
reserve(struct subrequest *q[], size_t n)
{
	return offload_reserve(q, n, &offload_ops);
}

const struct sql_engine sql_pool = {
	.load = load,
	.check = check_statement,
	.pool = pool_of,
	.bounds = bounds,
	.reserve = reserve,
	.release = offload_release,
	.start = offload_start,
	.cancel = offload_cancel,
};
