/*
 * `source = sql NAME`: one statement of a `[database NAME]`, run on a thread
 * of the database's own pool, which has one connection per thread. The kind:
 * keys, where parameters come from, the way to the pool and back. What a
 * database library does is behind sql_driver.h.
 *
 *   [database shop]
 *   url = sqlite:shop.db
 *   [subrequest profile.orders]
 *   source = sql shop
 *   query = SELECT id, total FROM orders WHERE user_id = :id LIMIT :n
 *   bind.n = {query.limit}
 *
 * :name is bind.name, else the path parameter {name}, else {query.name}. All
 * values are bound as text; the text of the statement never changes.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config.h"
#include "config/suggest.h"
#include "source/offload.h"
#include "source/sql_driver.h"

enum { URL_SCHEME_BYTES = 32, POOL_NAME_BYTES = 160, IDENTITY_BYTES = 128 };

enum sql_empty { SQL_EMPTY_200, SQL_EMPTY_404 };

struct database_conf {
	struct slice url;
	unsigned connections, max_queue;
	uint64_t statement_timeout_ns;
	enum sql_mode mode;
};

/* source->state. */
struct database {
	struct sql_database sql;
	const struct database_conf *conf;
	const struct sql_driver *driver;
	struct pool *pool; /* borrowed: the site's */
	unsigned statements; /* of all parts so far */
};

/* What threads of the pool open their connections by. The pool's own, because a
 * pool whose database is unchanged outlives the site. */
struct opener {
	const struct sql_driver *driver;
	struct sql_database sql; /* its texts follow */
	char memory[];
};

struct part_conf {
	struct slice query;
	enum sql_shape shape;
	enum sql_empty empty;
	struct conf_family binds;
	/* Of load_part(). */
	struct sql_statement statement;
	struct cost *cost; /* borrowed from the pool; or NULL */
	unsigned first_value; /* of statement.params in a row, in q->value[] */
};

static const char *const modes[] = { "rw", "ro", NULL };
static const char *const shapes[] = { "array", "object", "value", "count", NULL };
static const char *const empties[] = { "200", "404", NULL };

static const struct conf_key section_keys[] = {
	{ "url", CONF_URL, CONF_FIELD(struct database_conf, url), .flags = CONF_REQUIRED,
	  .help = "which database, as sqlite:PATH" },
	{ "connections", CONF_UINT, CONF_FIELD(struct database_conf, connections), .def = "4",
	  .min = 1, .max = 256, .help = "connections, and threads of the pool database.NAME" },
	{ "max_queue", CONF_UINT, CONF_FIELD(struct database_conf, max_queue), .def = "64",
	  .max = 1000000, .help = "statements that may wait for a connection" },
	{ "statement_timeout", CONF_DURATION,
	  CONF_FIELD(struct database_conf, statement_timeout_ns), .def = "2s",
	  .min = (int64_t)CLOCK_MS, .help = "longest time that a statement may run" },
	{ "mode", CONF_WORD, CONF_FIELD(struct database_conf, mode), .def = "rw", .words = modes,
	  .help = "with ro it is opened for reading alone; statements that write are errors" },
	CONF_KEYS_END
};

static const struct conf_key part_keys[] = {
	{ "query", CONF_TEXT, CONF_FIELD(struct part_conf, query), .flags = CONF_REQUIRED,
	  .help = "one statement; its parameters are written as :name" },
	{ "rows", CONF_WORD, CONF_FIELD(struct part_conf, shape), .def = "array", .words = shapes,
	  .help = "what becomes of the rows: an array of objects, the first as an object, its "
		  "first value, or how many there are" },
	{ "empty", CONF_WORD, CONF_FIELD(struct part_conf, empty), .def = "200", .words = empties,
	  .help = "status of the answer when there is no row, or none was changed" },
	{ "bind.", CONF_FAMILY, CONF_FIELD(struct part_conf, binds),
	  .help = "value of the parameter of that name, as a template" },
	CONF_KEYS_END
};

static const struct sql_driver *const drivers[] = {
#ifdef HAVE_SQLITE
	&sql_sqlite,
#endif
	NULL,
};

/* --- [database NAME] ------------------------------------------------------------- */

static const struct sql_driver *
find_driver(struct source *s, struct source_build *b, struct slice scheme)
{
	for (unsigned i = 0; drivers[i]; i++) {
		if (slice_eq(slice_of(drivers[i]->scheme), scheme))
			return drivers[i];
	}
	if (slice_eq(scheme, SLICE("sqlite")))
		conf_error_at(b->errors, s->section, "url",
			      "this forebay was built without SQLite");
	else
		conf_error_at(b->errors, s->section, "url",
			      "%s is no database that is known here; write sqlite:PATH",
			      conf_quote(scheme).text);
	return NULL;
}

/* Splits the url; 0 or an error that has been told. */
static int
read_url(struct source *s, struct source_build *b, struct database *d)
{
	struct slice where = d->conf->url, scheme = slice_cut(&where, ':');

	d->driver = find_driver(s, b, scheme);
	if (!d->driver)
		return ERR_SYNTAX;
	if (where.len == 0) {
		conf_error_at(b->errors, s->section, "url", "the path is missing; write %s:PATH",
			      d->driver->scheme);
		return ERR_SYNTAX;
	}
	d->sql.where = where;
	return 0;
}

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

	writer_format(&w, "%s:%s %s ", d->driver->scheme, d->sql.where.at, modes[d->sql.mode]);
	d->driver->identify(&d->sql, &w);
	writer_char(&w, '\0');
	return w.is_full ? NULL : memory;
}

static int
make_pool(struct source_build *b, struct database *d)
{
	char name[POOL_NAME_BYTES];
	struct writer w = writer_over(name, sizeof(name));
	struct pool_options o = {
		.name = name,
		.limits.threads = d->conf->connections,
		.limits.max_queue = d->conf->max_queue,
		.order = ORDER_ADAPTIVE,
		.identity = make_identity(b, d),
		.thread_init = open_thread,
		.thread_fini = close_thread,
		.argument_free = opener_free,
	};

	writer_format(&w, "database.%.*s", SLICE_PRINT(d->sql.name));
	if (o.identity)
		o.argument = opener_new(d);
	if (!o.argument)
		return ERR_MEMORY;
	d->pool = b->make_pool(b->argument, &o);
	return d->pool ? 0 : ERR_FAILED;
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
load(struct source *s, struct source_build *b)
{
	struct database *d = arena_zalloc(b->arena, 1, sizeof(*d));
	int err;

	if (!d)
		return ERR_MEMORY;
	s->state = d;
	d->conf = s->conf;
	d->sql.name = s->name;
	d->sql.mode = d->conf->mode;
	err = read_url(s, b, d);
	if (!err)
		err = try_database(s, b, d);
	if (err)
		return err;
	err = make_pool(b, d);
	if (err)
		conf_error_at(b->errors, s->section, "connections",
			      "%u connections cannot be opened", d->conf->connections);
	return err;
}

/* --- a part ---------------------------------------------------------------------- */

static const struct conf_named *
find_bind(const struct part_conf *conf, struct slice name)
{
	for (size_t i = 0; i < conf->binds.count; i++) {
		if (slice_eq(conf->binds.at[i].name, name))
			return &conf->binds.at[i];
	}
	return NULL;
}

static bool
is_path_param(const struct part *p, struct slice name)
{
	for (unsigned i = 0; i < p->path_param_count; i++) {
		if (slice_eq(p->path_params[i], name))
			return true;
	}
	return false;
}

/* A slip of the pen would otherwise be a query parameter that nobody sends. Short names are
 * near to anything, so one letter in three may differ. */
static void
warn_if_near(struct part *p, struct source_build *b, struct slice name)
{
	struct suggest near;

	suggest_init(&near, name);
	for (unsigned i = 0; i < p->path_param_count; i++)
		suggest_offer(&near, p->path_params[i]);
	if (near.best.len > 0 && near.distance * 3 <= name.len)
		conf_warning_at(b->errors, p->section, "query",
				":%.*s is taken from the request's query%s", SLICE_PRINT(name),
				suggest_text(&near));
}

/* "{" prefix name "}", in the site's arena. */
static struct slice
make_template(struct source_build *b, const char *prefix, struct slice name)
{
	size_t bytes = strlen(prefix) + name.len + 2;
	char *memory = arena_alloc(b->arena, bytes);
	struct writer w = writer_over(memory, memory ? bytes : 0);

	writer_char(&w, '{');
	writer_text(&w, prefix);
	writer_put(&w, name);
	writer_char(&w, '}');
	return writer_slice(&w);
}

/* The place of a parameter's value, or an error. */
static int
want_param(struct part *p, struct source_build *b, struct slice name)
{
	const struct conf_named *bound = find_bind(p->conf, name);
	struct slice text;

	if (bound)
		return part_want(p, bound->value, VALUE_RAW, bound->entry->key.at);
	if (is_path_param(p, name)) {
		text = make_template(b, "", name);
	} else {
		warn_if_near(p, b, name);
		text = make_template(b, "query.", name);
	}
	return text.at ? part_want(p, text, VALUE_RAW, "query") : ERR_MEMORY;
}

static int
want_params(struct part *p, struct source_build *b, struct part_conf *conf)
{
	conf->first_value = p->values;
	for (unsigned i = 0; i < conf->statement.params; i++) {
		int value = want_param(p, b, conf->statement.param[i]);
		if (value == ERR_TOO_MANY)
			conf_error_at(b->errors, p->section, "query", "more than %d parameters",
				      PART_VALUES_MAX);
		if (value < 0)
			return value;
	}
	return 0;
}

static bool
has_param(const struct sql_statement *s, struct slice name)
{
	for (unsigned i = 0; i < s->params; i++) {
		if (slice_eq(s->param[i], name))
			return true;
	}
	return false;
}

/* Every bind.NAME must have its :NAME. */
static int
check_binds(struct part *p, struct source_build *b, const struct part_conf *conf)
{
	int err = 0;

	for (size_t i = 0; i < conf->binds.count; i++) {
		const struct conf_named *bound = &conf->binds.at[i];
		struct suggest near;
		if (has_param(&conf->statement, bound->name))
			continue;
		suggest_init(&near, bound->name);
		for (unsigned k = 0; k < conf->statement.params; k++)
			suggest_offer(&near, conf->statement.param[k]);
		conf_error_at(b->errors, p->section, bound->entry->key.at,
			      "there is no :%.*s in the query%s", SLICE_PRINT(bound->name),
			      suggest_text(&near));
		err = ERR_SYNTAX;
	}
	return err;
}

static int
check_statement(struct part *p, struct source_build *b, struct database *d, struct sql_statement *s)
{
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
	return err;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct database *d = p->source->state;
	struct part_conf *conf = p->conf;
	struct slice section = p->section->name;
	int err, bind_err;

	conf->statement = (struct sql_statement){
		.database = &d->sql,
		.part = section.at,
		.text = conf->query,
		.index = d->statements++,
		.shape = conf->shape,
	};
	err = check_statement(p, b, d, &conf->statement);
	if (err)
		return err;
	conf->cost = pool_cost(d->pool, section, 0);
	bind_err = check_binds(p, b, conf);
	err = want_params(p, b, conf);
	return err ? err : bind_err;
}

/* --- one subrequest -------------------------------------------------------------- */

struct query {
	struct offload offload;
	const struct database *database;
	const struct part_conf *conf;
	struct slice value[]; /* statement.params of them; their bytes follow */
};

static void
bounds(const struct part *p, struct source_bounds *b)
{
	const struct database *d = p->source->state;

	b->work_ns = d->conf->statement_timeout_ns;
	b->work_key = "statement_timeout";
}

static struct pool *
pool_of(const struct part *p)
{
	const struct database *d = p->source->state;

	return d->pool;
}

static struct cost *
cost_of(const struct part *p)
{
	const struct part_conf *conf = p->conf;

	return conf->cost;
}

static struct offload *
make(const struct subrequest *q)
{
	const struct part_conf *conf = q->part->conf;
	const struct slice *value = q->value + conf->first_value;
	unsigned params = conf->statement.params;
	size_t bytes = sizeof(struct query) + params * sizeof(struct slice);
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
		query->value[i] = slice_make(end, value[i].len);
		if (value[i].len > 0)
			memcpy(end, value[i].at, value[i].len);
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
	err = d->driver->run(t->state, &call);
	if (err)
		return err;
	sql_rows_end(&rows, call.has_columns, call.changed);
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

const struct source_ops source_sql = {
	.name = "sql",
	.section = "database",
	.section_keys = section_keys,
	.section_size = sizeof(struct database_conf),
	.part_keys = part_keys,
	.part_size = sizeof(struct part_conf),
	.load = load,
	.load_part = load_part,
	.pool = pool_of,
	.bounds = bounds,
	.reserve = reserve,
	.release = offload_release,
	.start = offload_start,
	.cancel = offload_cancel,
};
