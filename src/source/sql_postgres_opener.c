/*
 * The opener of a PostgreSQL database: two threads for what libpq does in its
 * own time, which is to open connections and to cancel statements. They are the
 * database's alone, so that a server that does not answer takes no thread from
 * files, from spools or from another database. What they do has an end: it
 * begins within connect_timeout, or little more, or not at all, and then has
 * connect_timeout.
 *
 * Nothing is learned from how long it takes: that is the server's affair, and
 * only the number of what waits bounds it.
 */
#include "source/sql_postgres_priv.h"

enum {
	OPENERS = 2, /* one cancels while the other waits for a server */
	LOST_MAX = 2, /* a lookup of a name, or libpq's cancelling, may come back late or never */
	NAME_BYTES = 160,
	IDENTITY_BYTES = 64,
};

#define LOST_AFTER_NS (5 * CLOCK_SEC)
/* Who runs ends a little later than it should, and whoever waited as long as it was to take begins
 * all the same. And what runs sees its own end before it is told to stop. */
#define SPARE_NS (500 * CLOCK_MS)

/* Where it leads, as it is written: whoever corrects that has no use for threads that still wait
 * for the place before. */
static const char *
make_identity(struct source_build *b, const struct source *s)
{
	struct slice url = conf_entry(s->section, "url")->raw;
	size_t bytes = url.len + IDENTITY_BYTES;
	char *memory = arena_alloc(b->arena, bytes);
	struct writer w = writer_over(memory, memory ? bytes : 0);

	writer_format(&w, "postgresql opener %.*s", SLICE_PRINT(url));
	writer_char(&w, '\0');
	return w.is_full ? NULL : memory;
}

struct pool *
postgres_opener_make(const struct source *s, struct source_build *b, const struct database *d)
{
	char name[NAME_BYTES];
	struct writer w = writer_over(name, sizeof(name));
	struct pool_options o = {
		.name = name,
		/* Each place of a connection is being opened or cancelled, or both in turn. */
		.limits = { .threads = OPENERS,
			    .max_queue = 2 * d->conf->connections,
			    .lost_after_ns = LOST_AFTER_NS,
			    .max_lost = LOST_MAX },
		.order = ORDER_FIFO,
		.identity = make_identity(b, s),
	};

	writer_format(&w, "database.%.*s" SQL_OPENER, SLICE_PRINT(d->sql.name));
	writer_char(&w, '\0');
	return o.identity && !w.is_full ? b->make_pool(b->argument, &o) : NULL;
}

int
postgres_opener_submit(struct postgres_share *s, struct job *j)
{
	struct pool *pool = s->postgres->opener;
	uint64_t now = loop_now(&s->env->loop);
	uint64_t timeout_ns = s->postgres->options.connect_timeout_ns;
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.is_underway = true,
				.now_ns = now,
				.deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	j->home = &s->env->loop.mailbox;
	j->priority = ask.priority;
	j->deadline_ns = clock_after(clock_after(now, timeout_ns), timeout_ns);
	j->deadline_ns = clock_after(j->deadline_ns, 2 * SPARE_NS);
	j->expected_ns = pool_ask_more(pool, &ask, NULL, 0, CLOCK_NEVER);
	if (pool_reserve(pool, &ask, random_next(&s->env->random), &refusal) != 0)
		return ERR_SHED;
	lease_take(s->lease);
	pool_submit(pool, j);
	return 0;
}

int
postgres_opener_begin(const struct postgres *p, const struct job *j, struct pool_thread *t,
		      const char *what, uint64_t *until_ns)
{
	const struct pool_task task = {
		.what = what,
		.kind = SLICE("database"),
		.name = p->database->sql.name,
		.request = "",
	};

	pool_describe(t, &task);
	*until_ns = clock_after(clock_monotonic(), p->options.connect_timeout_ns);
	return clock_after(*until_ns, SPARE_NS) > j->deadline_ns ? ERR_DEADLINE : 0;
}
