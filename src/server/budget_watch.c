/*
 * The watch over the CPU budget; see budget_watch.h.
 */
#include "server/budget_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/value.h"
#include "server/server.h"

enum { EXPLAIN_BYTES = 512, PERIOD_MS = 10000, TEST_PERIOD_MS = 100 };

/* One pool that follows. */
struct budget_change {
	struct pool *pool; /* borrowed from the site, which stays: no reload meanwhile */
	struct pool_limits limits;
	unsigned before; /* threads */
	int outcome;
};

/* --- the monitor ------------------------------------------------------------------------- */

static void
tell(const struct budget *b, const struct budget *before)
{
	char text[EXPLAIN_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	budget_explain(b, &w);
	writer_text(&w, "; the budget was ");
	value_write_decimal(&w, before->milli);
	log_notice("%.*s", SLICE_PRINT(writer_slice(&w)));
}

static void
on_home(struct mail *m, void *receiver)
{
	struct budget_watch *w = CONTAINER_OF(m, struct budget_watch, mail);

	(void)receiver;
	w->is_out = false;
	if (w->is_taken)
		w->told = w->news;
}

static void on_news(struct mail *m, void *receiver);

void
budget_watch_look(struct budget_watch *w)
{
	struct budget found;

	budget_find(&found, budget_root(), w->server->shown->budget.declared_milli);
	if (!budget_is_same(&found, &w->seen)) {
		tell(&found, &w->seen);
		w->seen = found;
	}
	if (w->is_out || budget_is_same(&w->seen, &w->told))
		return;
	w->is_out = true;
	w->news = w->seen;
	w->mail.deliver = on_news;
	server_report(w->server, &w->mail);
}

static void
set_timer(struct budget_watch *w)
{
	struct loop *l = &w->server->monitor.env.loop;
	uint64_t ms = *budget_root() ? TEST_PERIOD_MS : PERIOD_MS;

	if (loop_set_timer(l, &w->tick, clock_after(loop_now(l), ms * CLOCK_MS)) != 0)
		log_error("the cpu budget is not looked at any more: %s", err_text(ERR_MEMORY));
}

static void
on_tick(struct timer *t)
{
	struct budget_watch *w = CONTAINER_OF(t, struct budget_watch, tick);

	set_timer(w);
	budget_watch_look(w);
}

void
budget_watch_start(struct budget_watch *w)
{
	if (*budget_root())
		log_warning("FOREBAY_TEST_ROOT is set: for tests alone");
	timer_init(&w->tick, on_tick);
	set_timer(w);
}

void
budget_watch_end(struct budget_watch *w)
{
	loop_clear_timer(&w->server->monitor.env.loop, &w->tick);
}

/* News that are out are older than the site: when they are back, main is told once more. */
void
budget_watch_show(struct budget_watch *w, const struct budget *b)
{
	w->seen = *b;
	if (!w->is_out)
		w->told = *b;
}

/* --- the builder --------------------------------------------------------------------------- */

static void
run(void *argument)
{
	struct budget_watch *w = argument;

	for (unsigned i = 0; i < w->change_count; i++) {
		struct budget_change *c = &w->changes[i];

		if (c->limits.threads != c->before)
			c->outcome = pool_resize(c->pool, &c->limits);
		pool_pin(c->pool);
	}
	mailbox_send(&w->server->loop.mailbox, &w->done);
}

/* --- main ---------------------------------------------------------------------------------- */

/* Nobody is there any more to hear of it when the monitor has ended. */
static void
answer(struct budget_watch *w, bool is_taken)
{
	struct monitor *m = &w->server->monitor;

	if (!m->has_loop)
		return;
	w->is_taken = is_taken;
	w->mail.deliver = on_home;
	mailbox_send(&m->env.loop.mailbox, &w->mail);
}

static void
report(const struct budget_change *c)
{
	if (c->outcome)
		log_error("pool %s keeps %u threads: %u cannot be had: %s", pool_name(c->pool),
			  c->before, c->limits.threads, err_text(c->outcome));
	else if (c->limits.threads != c->before)
		log_notice("pool %s: threads = auto is %u now, and was %u", pool_name(c->pool),
			   c->limits.threads, c->before);
}

static void
on_done(struct mail *m, void *receiver)
{
	struct budget_watch *w = CONTAINER_OF(m, struct budget_watch, done);
	bool is_taken = true;

	(void)receiver;
	thread_join(&w->thread);
	for (unsigned i = 0; i < w->change_count; i++) {
		report(&w->changes[i]);
		is_taken &= w->changes[i].outcome == 0;
	}
	mem_free(&w->changes);
	w->change_count = 0;
	answer(w, is_taken);
	reload_end_turn(&w->server->reload);
}

/* They may have connections, and each its share of what is shared out: that takes a new site. */
static void
tell_of_workers(const struct site *site, const struct budget *b)
{
	unsigned count = budget_workers(b, &site->cpus);

	if (site->has_auto_workers && count != site->workers)
		log_notice("workers = auto stays %u until the next reload, which makes it %u",
			   site->workers, count);
}

/* Those that there are until a reload, or those that it will make: whichever are more. */
static unsigned
count_workers(const struct site *site, const struct budget *b)
{
	unsigned next = site->has_auto_workers ? budget_workers(b, &site->cpus) : 0;

	return next > site->workers ? next : site->workers;
}

unsigned
budget_watch_threads(const struct budget_watch *w, const struct pools_entry *e,
		     const struct cpus *on)
{
	const struct site *site = w->server->site;
	struct budget_claim c = pools_claim(&site->pools, e, count_workers(site, &w->now));

	return budget_threads(&w->now, &c, on);
}

/* Every pool: those that keep their size may have processors to be put back onto. */
static int
plan_changes(struct budget_watch *w, const struct pools *pools)
{
	w->changes = mem_zalloc(pools->count, sizeof(*w->changes));
	if (!w->changes)
		return ERR_MEMORY;
	for (unsigned i = 0; i < pools->count; i++) {
		struct budget_change *c = &w->changes[w->change_count++];

		c->pool = pools->at[i].pool;
		c->limits = pool_limits(c->pool);
		c->before = c->limits.threads;
		if (pools->at[i].is_auto)
			c->limits.threads = budget_watch_threads(w, &pools->at[i], &c->limits.cpus);
	}
	return 0;
}

static void
pin_workers(struct budget_watch *w)
{
	unsigned from = 0;
	struct worker *worker;

	while ((worker = crew_next(&w->server->crew, &from)) != NULL) {
		if (worker_send(worker, WORKER_PIN, 0) != 0)
			log_error("worker %u: %s", worker->env.worker, err_text(ERR_MEMORY));
	}
}

static int
start_builder(struct budget_watch *w)
{
	int err = plan_changes(w, &w->server->site->pools);

	w->done.deliver = on_done;
	w->thread = (struct thread){
		.role = THREAD_BUILDER,
		.name = "builder",
		.run = run,
		.argument = w,
	};
	if (!err)
		err = thread_start(&w->thread);
	if (err)
		mem_free(&w->changes);
	if (err)
		w->change_count = 0;
	return err;
}

static void
on_news(struct mail *m, void *receiver)
{
	struct budget_watch *w = CONTAINER_OF(m, struct budget_watch, mail);
	struct server *s = receiver;
	bool moves = !cpus_eq(&w->news.usable, &w->now.usable);

	if (w->is_stopping || gauge_read(&s->state) == SERVER_DRAINING ||
	    !reload_take_turn(&s->reload)) {
		answer(w, false);
		return;
	}
	w->now = w->news;
	tell_of_workers(s->site, &w->now);
	if (moves)
		pin_workers(w);
	if (start_builder(w) == 0)
		return;
	log_error("pools do not follow the cpu budget yet: %s", err_text(ERR_MEMORY));
	answer(w, false);
	reload_end_turn(&s->reload);
}

void
budget_watch_take(struct budget_watch *w, const struct budget *b)
{
	w->now = *b;
}

void
budget_watch_init(struct budget_watch *w, struct server *s)
{
	*w = (struct budget_watch){ .server = s };
}

void
budget_watch_stop(struct budget_watch *w)
{
	w->is_stopping = true;
	thread_join(&w->thread);
	if (w->server)
		mailbox_drain(&w->server->loop.mailbox, w->server);
}
