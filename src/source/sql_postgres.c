/*
 * PostgreSQL as an engine of the kind `sql`: libpq, without its waiting, on the
 * worker's own loop. Here is what the builder does: the url and its secrets, what
 * statements there may be; and the source's functions, one errand for each
 * subrequest. See sql_postgres_priv.h.
 */
#include "base/mem.h"
#include "base/ref.h"
#include "source/sql_postgres_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

enum { PASSWORD_BYTES = 1024, SET_UP_BYTES = 512, NUMBER_BYTES = 24 };

/* --- what a connection is ---------------------------------------------------------- */

static void
add_option(struct postgres_options *o, const char *keyword, const char *value)
{
	unsigned i = 0;

	while (o->keyword[i])
		i++;
	o->keyword[i] = keyword;
	o->value[i] = value;
}

/* A line without its end. NULL: said. */
static const char *
read_password(struct source *s, struct source_build *b, const struct database_conf *conf)
{
	int fd = open(conf->password_file.at, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char text[PASSWORD_BYTES];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct slice password;

	if (n < 0)
		conf_error_at(b->errors, s->section, "password_file", "%s: %s",
			      conf->password_file.at, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return NULL;
	password = slice_make(text, (size_t)n);
	password = slice_cut(&password, '\n');
	if (password.len > 0 && password.at[password.len - 1] == '\r')
		password.len--;
	if (password.len > 0 && (size_t)n < sizeof(text))
		return arena_copy(b->arena, password).at;
	conf_error_at(b->errors, s->section, "password_file",
		      "a password is on its first line, of %d bytes at most", PASSWORD_BYTES - 1);
	return NULL;
}

static bool
is_url(struct slice url)
{
	return slice_has_prefix(url, SLICE("postgresql://")) ||
	       slice_has_prefix(url, SLICE("postgres://"));
}

/* What libpq says quotes the url, so it is passed on only when all of that stands in the file. */
static int
parse_url(struct source *s, struct source_build *b, const struct database_conf *conf)
{
	char *why = NULL;
	PQconninfoOption *options = is_url(conf->url) ? PQconninfoParse(conf->url.at, &why) : NULL;
	bool is_open = why && slice_eq(conf_entry(s->section, "url")->raw, conf->url);
	struct slice said = slice_of(is_open ? why : "write postgresql://USER@HOST/NAME");
	struct slice line = slice_cut(&said, '\n');

	if (!options)
		conf_error_at(b->errors, s->section, "url", "%.*s", SLICE_PRINT(line));
	PQfreemem(why);
	if (!options)
		return ERR_SYNTAX;
	PQconninfoFree(options);
	return 0;
}

static int
check_url(struct source *s, struct source_build *b, const struct database_conf *conf)
{
	if (!postgres_url_has_secret(conf_entry(s->section, "url")->raw))
		return parse_url(s, b, conf);
	conf_error_at(b->errors, s->section, "url",
		      "a password stands in it as it is; give password_file, or write it as "
		      "${NAME} and set NAME in the environment");
	return ERR_SYNTAX;
}

/* Each connection is as we know it, whatever the server's defaults are. */
static const char *
make_set_up(struct source_build *b, const struct database_conf *conf)
{
	char *memory = arena_alloc(b->arena, SET_UP_BYTES);
	struct writer w = writer_over(memory, memory ? SET_UP_BYTES : 0);
	uint64_t ms = conf->statement_timeout_ns / CLOCK_MS;

	writer_format(&w, "SET statement_timeout = %llu; ", (unsigned long long)(ms ? ms : 1));
	writer_text(&w, "SET standard_conforming_strings = on; SET bytea_output = hex; "
			"SET DateStyle = ISO; SET extra_float_digits = 1");
	if (conf->mode == SQL_READ_ONLY)
		writer_text(&w, "; SET default_transaction_read_only = on");
	writer_char(&w, '\0');
	return w.is_full ? NULL : memory;
}

static const char *
write_ms(struct source_build *b, uint64_t ns)
{
	char *memory = arena_alloc(b->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	writer_u64(&w, ns / CLOCK_MS);
	writer_char(&w, '\0');
	return memory;
}

/* Before the url, what it may say otherwise; behind it, what it may not. */
static int
make_options(struct source *s, struct source_build *b, struct postgres *p)
{
	const struct database_conf *conf = p->database->conf;
	struct postgres_options *o = &p->options;
	const char *password = NULL;

	if (check_url(s, b, conf) != 0)
		return ERR_SYNTAX;
	if (conf->password_file.len > 0) {
		password = read_password(s, b, conf);
		if (!password)
			return ERR_SYNTAX;
	}
	o->connect_timeout_ns = conf->connect_timeout_ns;
	o->set_up = make_set_up(b, conf);
	add_option(o, "application_name", "forebay");
	/* For cancelling, which libpq waits for without an end of its own. */
	add_option(o, "tcp_user_timeout", write_ms(b, conf->connect_timeout_ns));
	add_option(o, "dbname", conf->url.at);
	add_option(o, "client_encoding", "UTF8");
	if (password)
		add_option(o, "password", password);
	return o->set_up && o->value[1] ? 0 : ERR_MEMORY;
}

/* --- the site before --------------------------------------------------------------- */

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
is_same(const struct postgres_options *a, const struct postgres_options *b)
{
	for (unsigned i = 0; i < POSTGRES_OPTIONS; i++) {
		if (!is_same_text(a->keyword[i], b->keyword[i]) ||
		    !is_same_text(a->value[i], b->value[i]))
			return false;
	}
	return is_same_text(a->set_up, b->set_up);
}

/* That of the site before, where connections are interchangeable: they go on, and both sites
 * together keep to the number. */
static struct quota *
find_quota(struct source *s, struct source_build *b, const struct postgres *p)
{
	const struct source *prior =
	    b->find_prior ? b->find_prior(b->argument, s->ops, s->name) : NULL;
	const struct database *d = prior ? prior->state : NULL;
	const struct database_conf *conf = p->database->conf;

	if (d && d->postgres && d->postgres->quota && d->conf->wait.order == conf->wait.order &&
	    is_same(&d->postgres->options, &p->options))
		return quota_ref(d->postgres->quota);
	return quota_new(
	    &(struct quota_limits){ conf->connections, conf->max_queue, conf->wait.max_wait },
	    conf->wait.order);
}

/* --- [database NAME] --------------------------------------------------------------- */

/* By enum wait_limit and enum postgres_limit. */
static const char *const limits[] = { "max_queue", WAIT_WORDS, "serialization" };

static int
load(struct source *s, struct source_build *b, struct database *d)
{
	struct postgres *p = arena_zalloc(b->arena, 1, sizeof(*p));
	int err;

	if (!p)
		return ERR_MEMORY;
	p->database = d;
	p->source = s;
	err = wait_name_limits(s, b, limits, POSTGRES_LIMITS);
	if (!err)
		err = make_options(s, b, p);
	if (err)
		return err;
	p->quota = find_quota(s, b, p);
	if (!p->quota)
		return ERR_MEMORY;
	d->postgres = p;
	p->opener = postgres_opener_make(s, b, d);
	if (!p->opener) {
		conf_error_at(b->errors, s->section, "url",
			      "threads that open connections cannot be started");
		return ERR_FAILED;
	}
	postgres_check_open(s, b, p);
	return 0;
}

static void
settle(struct database *d)
{
	postgres_check_close(d->postgres);
}

static void
unload(struct database *d)
{
	if (d->postgres)
		quota_unref(&d->postgres->quota);
}

/* --- a part's statement ------------------------------------------------------------ */

static const char *const verbs[] = { "select", "values", "table",  "with",  "call",
				     "insert", "update", "delete", "merge", NULL };
/* WITH and CALL may write, too: the server says so when they do. */
static const char *const writing[] = { "insert", "update", "delete", "merge", NULL };

static bool
is_one_of(struct slice verb, const char *const *words)
{
	while (*words && !slice_eq_nocase(verb, slice_of(*words)))
		words++;
	return *words != NULL;
}

/* A connection serves many requests, so none may leave a transaction or a setting behind. */
static int
check_step(struct sql_statement *s, const struct postgres_step *step, struct writer *why)
{
	if (!is_one_of(step->verb, verbs)) {
		writer_format(why,
			      "a part runs SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, "
			      "WITH or CALL, not %s: its connection serves other requests too",
			      conf_quote(step->verb).text);
		return ERR_SYNTAX;
	}
	if (!is_one_of(step->verb, writing))
		return 0;
	s->writes = true;
	if (s->database->mode != SQL_READ_ONLY)
		return 0;
	writer_text(why, "the statement writes, and the database has mode = ro");
	return ERR_SYNTAX;
}

static int
read_script(struct postgres_script *t, struct sql_statement *s, struct database *d, struct arena *a,
	    struct writer *why)
{
	int err = postgres_text_read(t, s->text, a, why);

	if (err)
		return err;
	if (t->steps == 0) {
		writer_text(why, "there is no statement in it");
		return ERR_SYNTAX;
	}
	s->param = t->param;
	s->params = t->params;
	for (unsigned i = 0; i < t->steps && !err; i++) {
		t->step[i].index = d->postgres->steps++;
		err = check_step(s, &t->step[i], why);
	}
	return err;
}

static int
check_statement(struct part *p, struct source_build *b, struct database *d, struct sql_statement *s)
{
	struct postgres_script *script = arena_zalloc(b->arena, 1, sizeof(*script));
	struct sql_part *conf = p->conf;
	char text[POSTGRES_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err = script ? read_script(script, s, d, b->arena, &why) : ERR_MEMORY;

	if (!err)
		err = postgres_check(p, b, d->postgres, script, s, &why);
	if (err && err != ERR_MEMORY)
		conf_error_at(b->errors, p->section, "query", "%.*s",
			      SLICE_PRINT(writer_slice(&why)));
	conf->script = script;
	wait_add_part(p);
	return err;
}

static void
bounds(const struct part *p, struct source_bounds *b)
{
	const struct database *d = sql_database_of(p);

	b->at_once = d->conf->connections;
	b->waiting = d->conf->max_queue;
	b->at_once_key = "connections";
	b->is_shared = true;
	b->work_ns = d->conf->statement_timeout_ns;
	b->work_key = "statement_timeout";
	b->descriptors = 1;
}

/* --- on a worker -------------------------------------------------------------------- */

static int
attach(struct source *s, struct lease *l)
{
	const struct database *d = s->state;
	struct postgres_share *share = postgres_share_new(d->postgres, l);

	l->attached[s->index] = share;
	return share ? 0 : ERR_MEMORY;
}

static void
detach(struct source *s, struct lease *l)
{
	struct postgres_share *share = l->attached[s->index];

	postgres_share_free(&share);
	l->attached[s->index] = NULL;
}

static int
reserve(struct subrequest *q[], size_t n)
{
	return postgres_share_admit(q[0]->lease->attached[q[0]->part->source->index], q, n);
}

static void
release(struct subrequest *q)
{
	if (q->state)
		postgres_errand_drop(q->state);
}

/* libpq takes texts that end with a NUL, so that one with a NUL in it would be another value. */
static int
copy_values(struct postgres_errand *e)
{
	const struct subrequest *q = e->q;
	unsigned params = e->part->statement.params;

	e->value = arena_zalloc(q->arena, params + 1, sizeof(*e->value));
	if (!e->value)
		return ERR_MEMORY;
	for (unsigned i = 0; i < params; i++) {
		unsigned at = e->part->first_value + i;
		struct sql_value v = sql_value_of(q->value[at], q->part->value[at].is_typed);

		if (v.type == SQL_TYPE_NULL)
			continue;
		if (slice_find(v.text, '\0') < v.text.len)
			return ERR_SYNTAX;
		e->value[i] = arena_copy(q->arena, v.text).at;
		if (!e->value[i])
			return ERR_MEMORY;
	}
	return 0;
}

static void
start(struct subrequest *q)
{
	struct postgres_errand *e = q->state;

	e->err = copy_values(e);
	postgres_share_wait(e);
}

static void
cancel(struct subrequest *q)
{
	struct postgres_errand *e = q->state;

	if (!e)
		return;
	if (e->conn)
		postgres_conn_abandon(e->conn);
	postgres_errand_drop(e);
}

const struct sql_engine sql_postgres = {
	.load = load,
	.settle = settle,
	.unload = unload,
	.check = check_statement,
	.bounds = bounds,
	.attach = attach,
	.detach = detach,
	.reserve = reserve,
	.release = release,
	.start = start,
	.cancel = cancel,
};
