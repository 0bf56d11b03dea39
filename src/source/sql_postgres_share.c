/*
 * What one worker has of a PostgreSQL database: which subrequests wait, which
 * connection serves the next one, and when another is opened. How many there
 * are in the process is the quota's affair: a connection may come from another
 * worker and go to another. Who comes while a place is free has it, and is
 * served before those that were let wait: they stand in line (wait.h), and the
 * line of each worker has an order of its own.
 *
 * Waiting errands are only ever served from on_serve(), which runs by itself
 * later in the turn: neither start() nor cancel() calls back from inside.
 *
 * When no connection can be opened and the worker has none, whoever waits hears
 * of it at once: until the back-off is over nobody else is let wait either, and
 * then one attempt is made, not one for each who waits.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "http/status.h"
#include "source/sql_postgres_priv.h"

enum { BACKOFF_SHIFT_MAX = 6 };

#define BACKOFF_NS (50 * CLOCK_MS)
/* How long a worker with work for it keeps a connection that another wants: each move costs a wait
 * for a processor. */
#define TENURE_NS (5 * CLOCK_MS)

/* --- idle connections ------------------------------------------------------------ */

void
postgres_share_note_idle(struct postgres_conn *c)
{
	struct postgres_share *s = c->share;

	c->state = POSTGRES_IDLE;
	list_prepend(&s->idle, &c->link);
	s->idle_count++;
	/* Before it is asked whether somebody wants it: see quota.c. */
	quota_set_idle(s->member, s->idle_count);
	postgres_share_serve(s);
}

static struct postgres_conn *
newest_idle(const struct postgres_share *s)
{
	if (list_is_empty(&s->idle))
		return NULL;
	return CONTAINER_OF(s->idle.next, struct postgres_conn, link);
}

/* From another worker; owner is this one's share, or NULL when that is no more. */
static void
on_arrival(struct quota_token *t, void *owner)
{
	struct postgres_conn *c = CONTAINER_OF(t, struct postgres_conn, token);
	struct postgres_share *s = owner;
	struct quota_member *to = t->to;

	if (!s) {
		postgres_conn_free(c);
		quota_give(to);
		return;
	}
	count_add(s->env->counters, COUNTER_POSTGRES_PASSED, 1);
	c->here_ns = loop_now(&s->env->loop);
	if (postgres_conn_settle(c, s) != 0)
		log_error("postgresql: a connection cannot be watched");
	postgres_share_serve(s);
}

/* To a worker that wants it more; false: it is still here. */
static bool
is_passed(struct postgres_share *s, struct postgres_conn *c)
{
	bool is_needed = s->waiting_count > 0;

	if (!quota_is_wanted(s->member))
		return false;
	if (is_needed && loop_now(&s->env->loop) - c->here_ns < TENURE_NS)
		return false;
	/* It must be nobody's when it is sent. */
	s->idle_count--;
	quota_set_idle(s->member, s->idle_count);
	postgres_conn_leave(c);
	c->token.on_arrival = on_arrival;
	if (quota_pass(s->member, &c->token, is_needed))
		return true;
	if (postgres_conn_settle(c, s) != 0)
		log_error("postgresql: a connection cannot be watched");
	return false;
}

/* --- opening more ---------------------------------------------------------------- */

/* NULL: nobody waits. */
static struct postgres_errand *
next_waiting(struct postgres_share *s)
{
	struct wait *first;

	if (!list_is_empty(&s->waiting))
		return CONTAINER_OF(s->waiting.next, struct postgres_errand, link);
	first = wait_first(&s->line);
	return first ? CONTAINER_OF(first, struct postgres_errand, wait) : NULL;
}

static void
fail_waiting(struct postgres_share *s, int err)
{
	struct postgres_errand *e;

	while ((e = next_waiting(s)) != NULL)
		postgres_errand_end(e, err);
}

/* None is here, and none is to come. */
static bool
is_alone(const struct postgres_share *s)
{
	return s->idle_count == 0 && s->busy_count == 0 && s->opening == 0;
}

/* Doubles with each failure; half of it is drawn, so that workers do not come back together. */
static void
back_off(struct postgres_share *s)
{
	unsigned shift = s->failures < BACKOFF_SHIFT_MAX ? s->failures : BACKOFF_SHIFT_MAX;
	uint64_t ns = BACKOFF_NS << shift;

	s->failures++;
	s->retry_ns =
	    clock_after(loop_now(&s->env->loop), ns / 2 + random_below(&s->env->random, ns));
}

/* A place has been taken. False: no more are to be tried now. */
static bool
open_one(struct postgres_share *s)
{
	if (loop_now(&s->env->loop) >= s->retry_ns) {
		if (postgres_open_for(s) == 0) {
			s->opening++;
			return true;
		}
		back_off(s);
	}
	quota_give(s->member);
	if (is_alone(s))
		fail_waiting(s, ERR_CONNECT);
	return false;
}

/* Connections that are worth opening at once: whether there is a server one is enough to know. */
static unsigned
count_wanted(const struct postgres_share *s)
{
	return s->failures > 0 && s->waiting_count > 1 ? 1 : s->waiting_count;
}

static void
open_more(struct postgres_share *s)
{
	while (s->opening < count_wanted(s) && quota_take(s->member)) {
		if (!open_one(s))
			return;
	}
}

static void
say_failed(const struct postgres_share *s, struct slice why)
{
	/* One of a series is enough to know. */
	enum log_level level = s->failures == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG;

	log_line(level, "database %.*s: %.*s", SLICE_PRINT(s->postgres->database->sql.name),
		 SLICE_PRINT(why));
}

void
postgres_share_opened(struct postgres_share *s, struct pg_conn *db, struct slice why)
{
	struct postgres_conn *c = db ? postgres_conn_new(db) : NULL;

	ASSERT(s->opening > 0);
	s->opening--;
	if (c && postgres_conn_settle(c, s) == 0) {
		if (s->failures > 0)
			log_notice("database %.*s: connected again",
				   SLICE_PRINT(s->postgres->database->sql.name));
		count_add(s->env->counters, COUNTER_POSTGRES_OPENED, 1);
		c->here_ns = loop_now(&s->env->loop);
		s->failures = 0;
		s->retry_ns = 0;
		return;
	}
	if (!c)
		quota_give(s->member);
	count_add(s->env->counters, COUNTER_POSTGRES_CONNECT_FAILED, 1);
	say_failed(s, why);
	back_off(s);
	postgres_share_serve(s);
}

void
postgres_share_not_tried(struct postgres_share *s)
{
	ASSERT(s->opening > 0);
	s->opening--;
	quota_give(s->member);
	postgres_share_serve(s);
}

/* --- serving --------------------------------------------------------------------- */

static void
end_stillborn(struct postgres_share *s)
{
	struct list *link;

	while ((link = list_take(&s->stillborn)) != NULL) {
		struct postgres_errand *e = CONTAINER_OF(link, struct postgres_errand, link);

		postgres_errand_end(e, e->err);
	}
}

static void
drop_hopeless(struct postgres_share *s)
{
	struct postgres_errand *e;

	while ((e = next_waiting(s)) != NULL && wait_is_hopeless(&s->line, &e->wait, e->q)) {
		e->is_refused = true;
		postgres_errand_end(e, wait_refuse(&s->line, &e->q, 1, WAIT_DEADLINE, 0));
	}
}

static void
begin(struct postgres_conn *c, struct postgres_errand *e)
{
	c->share->waiting_count--;
	list_remove(&e->link);
	wait_begin(&c->share->line, &e->wait);
	postgres_conn_begin(c, e);
}

static void
use_idle(struct postgres_share *s)
{
	struct postgres_conn *c;

	while ((c = newest_idle(s)) != NULL) {
		if (quota_is_over(s->member) || !postgres_conn_is_alive(c)) {
			postgres_conn_close(c);
			continue;
		}
		if (is_passed(s, c))
			continue;
		drop_hopeless(s);
		if (s->waiting_count == 0)
			return;
		c = newest_idle(s);
		if (!c)
			return;
		begin(c, next_waiting(s));
	}
}

static void
on_serve(struct deferred *d)
{
	struct postgres_share *s = CONTAINER_OF(d, struct postgres_share, serve);

	if (s->is_ended)
		return;
	end_stillborn(s);
	use_idle(s);
	open_more(s);
	if (s->waiting_count == 0)
		quota_calm(s->member);
}

void
postgres_share_serve(struct postgres_share *s)
{
	loop_soon(&s->env->loop, &s->serve);
}

static void
on_look(void *owner)
{
	postgres_share_serve(owner);
}

void
postgres_share_wait(struct postgres_errand *e)
{
	struct postgres_share *s = e->share;

	wait_start(&s->line, &e->wait, e->q);
	if (e->err) {
		list_append(&s->stillborn, &e->link);
	} else {
		if (e->wait.stage == WAIT_RUNNING)
			list_append(&s->waiting, &e->link);
		else
			wait_file(&s->line, &e->wait, e->q);
		s->waiting_count++;
	}
	postgres_share_serve(s);
}

/* --- admission ------------------------------------------------------------------- */

static struct wait *
wait_of(const struct subrequest *q)
{
	struct postgres_errand *e = q->state;

	return &e->wait;
}

/* It hears of it when nobody is in the middle of asking. */
static void
evict(struct wait_line *l, struct wait *w)
{
	struct postgres_errand *e = CONTAINER_OF(w, struct postgres_errand, wait);

	e->err = wait_refuse(l, &e->q, 1, WAIT_PRIORITY, 0);
	e->is_refused = true;
	e->share->waiting_count--;
	postgres_share_wait(e);
}

static const struct wait_ops line_ops = { .of = wait_of, .evict = evict };

/* After a refusal. */
static int
forget(struct subrequest *q[], size_t n, int err)
{
	for (size_t i = 0; i < n; i++)
		q[i]->state = NULL;
	return err;
}

int
postgres_share_admit(struct postgres_share *s, struct subrequest *q[], size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++) {
		struct postgres_errand *e = arena_zalloc(q[i]->arena, 1, sizeof(*e));

		q[i]->state = e;
		if (!e)
			return forget(q, i, ERR_MEMORY);
		e->q = q[i];
		e->share = s;
		e->part = q[i]->part->conf;
		list_init(&e->link);
	}
	err = wait_reserve(&s->line, q, n);
	if (err && q[0]->refusal.limit == s->postgres->source->limit[WAIT_QUEUE])
		count_add(s->env->counters, COUNTER_POSTGRES_REFUSED, n);
	return err ? forget(q, n, err) : 0;
}

/* --- the end of an errand -------------------------------------------------------- */

/* What it held, if a connection; was_cut: it would have held it for longer. */
static void
leave_line(struct postgres_errand *e, bool was_cut)
{
	uint64_t now = loop_now(&e->share->env->loop);

	wait_end(&e->share->line, &e->wait, e->begun_ns ? now - e->begun_ns : 0, was_cut);
}

void
postgres_errand_drop(struct postgres_errand *e)
{
	struct postgres_share *s = e->share;
	bool is_waiting = !list_is_empty(&e->link) || e->wait.stage == WAIT_FILED;

	if (is_waiting) {
		list_remove(&e->link);
		s->waiting_count -= e->err == 0;
	}
	leave_line(e, true);
	if (is_waiting && s->waiting_count == 0)
		postgres_share_serve(s);
	buffer_fini(&e->output);
	e->q->state = NULL;
}

void
postgres_errand_end(struct postgres_errand *e, int err)
{
	struct subrequest *q = e->q;

	if (err == ERR_SHED && !e->is_refused) {
		wait_refuse(&e->share->line, &q, 1, POSTGRES_LIMIT_SERIALIZATION, 0);
		q->refusal.retry_after_s = 1;
	}
	if (err == ERR_CONFLICT)
		q->conflict = e->conflict;
	if (err == ERR_TIMEOUT)
		count_add(e->share->env->counters, COUNTER_POSTGRES_TIMEOUT, 1);
	postgres_errand_drop(e);
	/* The request's fault: its value is none of the column's type. */
	if (err == ERR_SYNTAX)
		subrequest_answer(q, 422, SLICE("text/plain"), status_reason(422));
	else
		subrequest_done(q, err);
}

void
postgres_errand_answer(struct postgres_errand *e)
{
	struct subrequest *q = e->q;
	uint64_t count = e->has_columns ? e->rows.count : e->changed;
	int status = e->part->empty == SQL_EMPTY_404 && count == 0 ? 404 : 200;
	size_t len;
	char *text;

	sql_rows_end(&e->rows, e->has_columns, e->changed);
	if (e->output.err) {
		postgres_errand_end(e, e->output.err);
		return;
	}
	leave_line(e, false);
	text = buffer_take(&e->output, &len);
	postgres_errand_drop(e);
	subrequest_answer_heap(q, status, SLICE("application/json"), text, slice_make(text, len));
}

/* --- its own life ---------------------------------------------------------------- */

struct postgres_share *
postgres_share_new(const struct postgres *p, struct lease *l)
{
	const struct database_conf *conf = p->database->conf;
	const struct quota_limits limits = { conf->connections, conf->max_queue,
					     conf->wait.max_wait };
	struct postgres_share *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->line.ops = &line_ops;
	s->member = quota_join(p->quota, &l->env->loop.mailbox, s, on_look);
	if (!s->member || wait_line_init(&s->line, quota_gate(p->quota), true, p->source, l) != 0) {
		quota_part(&s->member);
		mem_free(&s);
		return NULL;
	}
	/* Those of the site before, if it shares the quota, hold no more. */
	quota_set(p->quota, &limits);
	s->postgres = p;
	s->lease = l;
	s->env = l->env;
	s->serve.run = on_serve;
	list_init(&s->idle);
	list_init(&s->busy);
	list_init(&s->closed);
	list_init(&s->waiting);
	list_init(&s->stillborn);
	return s;
}

static void
close_all(struct list *list)
{
	while (!list_is_empty(list))
		postgres_conn_close(CONTAINER_OF(list->next, struct postgres_conn, link));
}

void
postgres_share_free(struct postgres_share **share)
{
	struct postgres_share *s = *share;
	struct list *link;

	if (!s)
		return;
	ASSERT(s->waiting_count == 0 && s->opening == 0);
	s->is_ended = true;
	close_all(&s->idle);
	close_all(&s->busy);
	while ((link = list_take(&s->closed)) != NULL) {
		struct postgres_conn *c = CONTAINER_OF(link, struct postgres_conn, link);

		loop_forget(&s->env->loop, &c->end);
		postgres_conn_free(c);
	}
	loop_forget(&s->env->loop, &s->serve);
	quota_part(&s->member);
	wait_line_fini(&s->line);
	mem_free(share);
}
