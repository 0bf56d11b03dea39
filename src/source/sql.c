/*
 * `source = sql NAME`: a query of a `[database NAME]`. The kind: keys,
 * and where parameters come from. How statements are run is an engine's affair
 * (sql_priv.h), chosen by the scheme of the url.
 *
 *   [database shop]
 *   url = sqlite:shop.db
 *   [subrequest profile.orders]
 *   source = sql shop
 *   query = SELECT id, total FROM orders WHERE user_id = :id LIMIT :n
 *   bind.n = {query.limit}
 *
 * :name is bind.name, else the path parameter {name}, else {query.name}. Values
 * are bound with the types they have in JSON, all others as text (sql_value.h);
 * the text of the statement never changes.
 */
#include "base/clock.h"
#include "config.h"
#include "config/suggest.h"
#include "source/sql_priv.h"

static const char *const modes[] = { "rw", "ro", NULL };
static const char *const shapes[] = { "array", "object", "value", "count", NULL };
static const char *const empties[] = { "200", "404", NULL };

static const struct conf_key section_keys[] = {
	{ "url", CONF_URL, CONF_FIELD(struct database_conf, url), .flags = CONF_REQUIRED,
	  .help =
	      "which database, as sqlite:PATH or postgresql://USER@HOST/NAME with libpq's options "
	      "(sslmode, host, ...) behind a ?; a password only as ${NAME}" },
	{ "connections", CONF_UINT, CONF_FIELD(struct database_conf, connections), .def = "4",
	  .min = 1, .max = 256,
	  .help = "for SQLite, connections for reading, and threads of the pool database.NAME; "
		  "writes have one more, of the pool database.NAME.writer; for PostgreSQL, the "
		  "most that all workers have together" },
	{ "max_queue", CONF_UINT, CONF_FIELD(struct database_conf, max_queue), .def = "64",
	  .max = 1000000, .help = "statements that may wait for a connection" },
	{ "max_wait", CONF_DURATION, CONF_FIELD(struct database_conf, wait.max_wait), .def = "0",
	  .max = INT64_C(86400000000000), .help = WAIT_MAX_HELP },
	{ "order", CONF_WORD, CONF_FIELD(struct database_conf, wait.order), .def = "adaptive",
	  .words = wait_orders, .help = WAIT_ORDER_HELP },
	{ "statement_timeout", CONF_DURATION,
	  CONF_FIELD(struct database_conf, statement_timeout_ns), .def = "2s",
	  .min = (int64_t)CLOCK_MS, .help = "longest time that a statement may run" },
	{ "mode", CONF_WORD, CONF_FIELD(struct database_conf, mode), .def = "rw", .words = modes,
	  .help = "with ro it is opened for reading alone; statements that write are errors" },
	{ "connect_timeout", CONF_DURATION, CONF_FIELD(struct database_conf, connect_timeout_ns),
	  .def = "5s", .min = (int64_t)CLOCK_MS,
	  .help = "PostgreSQL: longest time that opening a connection may "
		  "take" },
	{ "password_file", CONF_PATH, CONF_FIELD(struct database_conf, password_file),
	  .help = "PostgreSQL: file whose first line is the password; read at start and reload" },
	CONF_KEYS_END
};

static const struct conf_key part_keys[] = {
	{ "query", CONF_TEXT, CONF_FIELD(struct sql_part, query), .flags = CONF_REQUIRED,
	  .help = "a statement, or several with ; between them, run as one transaction, of "
		  "which the last gives the result; parameters are written as :name" },
	{ "rows", CONF_WORD, CONF_FIELD(struct sql_part, shape), .def = "array", .words = shapes,
	  .help = "what becomes of the rows: an array of objects, the first as an object, its "
		  "first value, or how many there are" },
	{ "json", CONF_LIST, CONF_FIELD(struct sql_part, json),
	  .help = "columns whose text is JSON, to become part of the result as it stands" },
	{ "empty", CONF_WORD, CONF_FIELD(struct sql_part, empty), .def = "200", .words = empties,
	  .help = "status of the answer when there is no row, or none was changed" },
	{ "bind.", CONF_FAMILY, CONF_FIELD(struct sql_part, binds),
	  .help = "value of the parameter of that name, as a template; a variable from JSON that "
		  "stands alone keeps its type" },
	CONF_KEYS_END
};

/* What a url may begin with. */
static const struct scheme {
	const char *name;
	const char *library, *example; /* for messages */
	const struct sql_engine *engine; /* NULL: not in this build */
	const struct sql_driver *driver;
} schemes[] = {
#ifdef HAVE_SQLITE
	{ "sqlite", "SQLite", "sqlite:PATH", &sql_pool, &sql_sqlite },
#else
	{ "sqlite", "SQLite", "sqlite:PATH", NULL, NULL },
#endif
#ifdef HAVE_LIBPQ
	{ "postgresql", "PostgreSQL", "postgresql://USER@HOST/NAME", &sql_postgres, NULL },
	{ "postgres", "PostgreSQL", "postgresql://USER@HOST/NAME", &sql_postgres, NULL },
#else
	{ "postgresql", "PostgreSQL", "postgresql://USER@HOST/NAME", NULL, NULL },
	{ "postgres", "PostgreSQL", "postgresql://USER@HOST/NAME", NULL, NULL },
#endif
};

enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

/* --- [database NAME] ------------------------------------------------------------- */

static const struct scheme *
find_scheme(struct source *s, struct source_build *b, struct slice name)
{
	for (unsigned i = 0; i < SCHEMES; i++) {
		if (!slice_eq(slice_of(schemes[i].name), name))
			continue;
		if (schemes[i].engine)
			return &schemes[i];
		conf_error_at(b->errors, s->section, "url", "this forebay was built without %s",
			      schemes[i].library);
		return NULL;
	}
	conf_error_at(b->errors, s->section, "url",
		      "%s is no database that is known here; write sqlite:PATH or "
		      "postgresql://USER@HOST/NAME",
		      conf_quote(name).text);
	return NULL;
}

/* Splits the url; 0 or an error that has been told. */
static int
read_url(struct source *s, struct source_build *b, struct database *d)
{
	struct slice where = d->conf->url, name = slice_cut(&where, ':');
	const struct scheme *scheme = find_scheme(s, b, name);

	if (!scheme)
		return ERR_SYNTAX;
	if (where.len == 0) {
		conf_error_at(b->errors, s->section, "url", "the path is missing; write %s",
			      scheme->example);
		return ERR_SYNTAX;
	}
	d->engine = scheme->engine;
	d->driver = scheme->driver;
	d->sql.where = where;
	if (scheme->engine != &sql_pool || d->conf->password_file.len == 0)
		return 0;
	conf_error_at(b->errors, s->section, "password_file", "is for PostgreSQL");
	return ERR_SYNTAX;
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
	return err ? err : d->engine->load(s, b, d);
}

/* --- a part ---------------------------------------------------------------------- */

static const struct conf_named *
find_bind(const struct sql_part *conf, struct slice name)
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
		return part_want(p, bound->value, VALUE_TYPED, bound->entry->key.at);
	if (is_path_param(p, name)) {
		text = make_template(b, "", name);
	} else {
		warn_if_near(p, b, name);
		text = make_template(b, "query.", name);
	}
	return text.at ? part_want(p, text, VALUE_RAW, "query") : ERR_MEMORY;
}

static int
want_params(struct part *p, struct source_build *b, struct sql_part *conf)
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
check_binds(struct part *p, struct source_build *b, const struct sql_part *conf)
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

/* Every column of `json` must be there, as far as columns are known. */
static int
check_json(struct part *p, struct source_build *b, const struct sql_part *conf)
{
	const struct sql_statement *s = &conf->statement;
	int err = 0;

	for (size_t i = 0; i < conf->json.count && s->column; i++) {
		struct suggest near;
		unsigned k = 0;

		suggest_init(&near, conf->json.at[i]);
		for (; k < s->columns && !slice_eq(s->column[k], conf->json.at[i]); k++)
			suggest_offer(&near, s->column[k]);
		if (k < s->columns)
			continue;
		conf_error_at(b->errors, p->section, "json", "the query gives no column %s%s",
			      conf_quote(conf->json.at[i]).text, suggest_text(&near));
		err = ERR_SYNTAX;
	}
	return err;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct database *d = p->source->state;
	struct sql_part *conf = p->conf;
	struct slice section = p->section->name;
	int err, bind_err;

	conf->statement = (struct sql_statement){
		.database = &d->sql,
		.part = section.at,
		.text = conf->query,
		.index = d->statements++,
		.shape = conf->shape,
	};
	err = d->engine->check(p, b, d, &conf->statement);
	if (err)
		return err;
	if (conf->statement.writes)
		p->writes_by = "query";
	bind_err = check_binds(p, b, conf);
	if (check_json(p, b, conf))
		bind_err = ERR_SYNTAX;
	err = want_params(p, b, conf);
	return err ? err : bind_err;
}

/* --- the engine's ----------------------------------------------------------------- */

static void
settle(struct source *s)
{
	struct database *d = s->state;

	if (d->engine->settle)
		d->engine->settle(d);
}

static void
unload(struct source *s)
{
	struct database *d = s->state;

	if (d && d->engine && d->engine->unload)
		d->engine->unload(d);
}

static struct pool *
pool_of(const struct part *p)
{
	const struct database *d = sql_database_of(p);

	return d->engine && d->engine->pool ? d->engine->pool(p) : NULL;
}

static void
bounds(const struct part *p, struct source_bounds *b)
{
	sql_database_of(p)->engine->bounds(p, b);
}

static bool
is_letter(char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* The next word of letters is taken off; empty at the end. */
static struct slice
take_word(struct slice *rest)
{
	size_t from = 0, end;
	struct slice word;

	while (from < rest->len && !is_letter(rest->at[from]))
		from++;
	for (end = from; end < rest->len && (is_letter(rest->at[end]) || rest->at[end] == '_');)
		end++;
	word = slice_make(rest->at + from, end - from);
	*rest = slice_after(*rest, end);
	return word;
}

static bool
is_among(struct slice word, const char *const *words)
{
	for (; *words; words++) {
		if (slice_eq_nocase(word, slice_of(*words)))
			return true;
	}
	return false;
}

/* What its driver says of it, or, where that cannot know yet, its words: what a function that it
 * calls does is not known here. */
static const char *
effects(const struct part *p)
{
	static const char *const reading[] = { "SELECT", "VALUES", "TABLE", NULL };
	static const char *const writing[] = { "INSERT", "UPDATE", "DELETE", "MERGE", NULL };
	const struct sql_part *conf = p->conf;
	struct slice rest = conf->query, word = take_word(&rest);
	bool writes =
	    p->writes_by || (!is_among(word, reading) && !slice_eq_nocase(word, SLICE("WITH")));

	/* WITH may stand before either. */
	if (!writes && slice_eq_nocase(word, SLICE("WITH"))) {
		do {
			word = take_word(&rest);
			writes = is_among(word, writing);
		} while (!writes && word.len > 0);
	}
	return writes ? "its query does more than read" : NULL;
}

static int
attach(struct source *s, struct lease *l)
{
	const struct database *d = s->state;

	return d->engine->attach ? d->engine->attach(s, l) : 0;
}

static void
detach(struct source *s, struct lease *l)
{
	const struct database *d = s->state;

	if (d->engine->detach)
		d->engine->detach(s, l);
}

static int
reserve(struct subrequest *q[], size_t n)
{
	return sql_database_of(q[0]->part)->engine->reserve(q, n);
}

static void
release(struct subrequest *q)
{
	sql_database_of(q->part)->engine->release(q);
}

static void
start(struct subrequest *q)
{
	sql_database_of(q->part)->engine->start(q);
}

static void
cancel(struct subrequest *q)
{
	sql_database_of(q->part)->engine->cancel(q);
}

const struct source_ops source_sql = {
	.name = "sql",
	.section = "database",
	.section_keys = section_keys,
	.section_size = sizeof(struct database_conf),
	.part_keys = part_keys,
	.part_size = sizeof(struct sql_part),
	.load = load,
	.load_part = load_part,
	.settle = settle,
	.unload = unload,
	.attach = attach,
	.detach = detach,
	.pool = pool_of,
	.bounds = bounds,
	.effects = effects,
	.reserve = reserve,
	.release = release,
	.start = start,
	.cancel = cancel,
};
