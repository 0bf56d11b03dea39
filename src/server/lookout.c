/*
 * The lookout; see lookout.h.
 */
#include "server/lookout.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/cgroup.h"
#include "server/server.h"
#include "server/stall_page.h"
#include "server/text_file.h"

#include <time.h>

enum { PATH_BYTES = 64, STAT_BYTES = 256, LINE_BYTES = 512, SAY_MS = 1000 };

/* --- what the kernel knows ------------------------------------------------------------------ */

static uint64_t
cpu(const struct stall_slot *slot, void *argument)
{
	(void)argument;
	return stall_cpu_ns(slot);
}

/* The second number of schedstat: how long the thread could have run, and did not. */
static uint64_t
waited(const struct stall_slot *slot, void *argument)
{
	uint32_t thread = stall_thread(slot);
	char path[PATH_BYTES];
	struct writer w = writer_over(path, sizeof(path) - 1);
	struct buffer b;
	struct slice rest;
	uint64_t ns = 0;

	(void)argument;
	writer_format(&w, "/proc/self/task/%u/schedstat", thread);
	path[w.len] = '\0';
	buffer_init(&b, STAT_BYTES);
	if (thread != 0 && text_file_read(&b, "", path) == 0) {
		rest = buffer_slice(&b);
		rest = slice_after(rest, slice_find(rest, ' ') + 1);
		if (slice_to_u64(slice_make(rest.at, slice_find(rest, ' ')), &ns) != 0)
			ns = 0;
	}
	buffer_fini(&b);
	return ns;
}

static uint64_t
throttled(void *argument)
{
	const struct lookout *l = argument;

	return l->server->budget_watch.seen.quota_milli ? cgroup_throttled_ns("") : 0;
}

/* --- names ---------------------------------------------------------------------------------- */

static void
name(struct stall *s, struct stall_where where, void *argument)
{
	const struct lookout *l = argument;
	const struct site *site = l->server->shown;
	const struct route *route;

	if ((site->generation & 0xffff) != where.generation || where.route > site->route_count)
		return;
	route = &site->routes[where.route - 1];
	stall_set_text(s->route, route->name);
	if (where.part > 0 && route->plan && where.part <= route->plan->count)
		stall_set_text(s->part, route->plan->part[where.part - 1].part.name);
}

/* --- the log -------------------------------------------------------------------------------- */

static void
write_where(const struct stall *s, struct writer *w)
{
	if (!s->has_worker) {
		writer_text(w, "nothing could run");
		return;
	}
	writer_format(w, "worker %u did not turn", s->worker);
	if (s->steady_ns >= s->lasted_ns / 2)
		writer_format(w, ", at %s", stall_at_word(s->at));
	if (s->steady_ns >= s->lasted_ns / 2 && s->route[0])
		writer_format(w, " of route %s (request %s)", s->route, s->request);
}

/* A line per second at most. */
static void
over(const struct stall *s, void *argument)
{
	struct lookout *l = argument;
	char text[LINE_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	uint64_t now = loop_now(l->loop);

	if (l->said_ns && now - l->said_ns < SAY_MS * CLOCK_MS) {
		l->unsaid++;
		return;
	}
	write_where(s, &w);
	log_warning("stall: for %llu ms %.*s: %s%s", (unsigned long long)(s->lasted_ns / CLOCK_MS),
		    SLICE_PRINT(writer_slice(&w)), stall_cause_word(s->cause),
		    l->unsaid ? "; others are not told here, see forebayctl stalls" : "");
	l->said_ns = now;
	l->unsaid = 0;
}

/* --- looking -------------------------------------------------------------------------------- */

static const struct stall_senses kernel = {
	.cpu = cpu,
	.waited = waited,
	.throttled = throttled,
	.name = name,
	.over = over,
};

static uint64_t
look(struct lookout *l)
{
	const struct server *s = l->server;
	struct stall_slot *slots[CREW_MAX];
	unsigned places = (unsigned)gauge_read(&s->crew.places);

	for (unsigned i = 0; i < places; i++)
		slots[i] = &s->crew.place[i]->stall;
	return stall_watch_look(&l->watch, slots, places, s->shown->stall_after_ns,
				clock_monotonic());
}

static void
on_tick(struct timer *t)
{
	struct lookout *l = CONTAINER_OF(t, struct lookout, tick);

	if (loop_set_timer(l->loop, t, look(l)) != 0)
		log_error("stalls are not looked for any more: %s", err_text(ERR_MEMORY));
}

int
lookout_start(struct lookout *l, const struct server *s, struct loop *loop)
{
	l->server = s;
	l->loop = loop;
	l->senses = kernel;
	l->senses.argument = l;
	stall_watch_init(&l->watch, &l->senses, loop->stall);
	timer_init(&l->tick, on_tick);
	return loop_set_timer(loop, &l->tick, loop_now(loop));
}

void
lookout_stop(struct lookout *l)
{
	if (l->loop)
		loop_clear_timer(l->loop, &l->tick);
}

void
lookout_refresh(struct lookout *l)
{
	uint64_t due = l->watch.due_ns;
	bool is_due = clock_monotonic() >= due;

	if (!timer_is_set(&l->tick))
		return;
	/* The timer still comes when it was to come; who is late is so once. */
	if (look(l) > due && !is_due)
		l->watch.due_ns = due;
}

static uint64_t
unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / CLOCK_MS;
}

void
lookout_describe(const struct lookout *l, struct stall_page *p)
{
	*p = (struct stall_page){
		.stalls = &l->watch.stalls,
		.limit_ns = l->server->shown->stall_after_ns,
		.throttled_ns = cgroup_throttled_ns(""),
		.now_ns = clock_monotonic(),
		.now_unix_ms = unix_ms(),
	};
}

/* --- from main ------------------------------------------------------------------------------ */

struct letter {
	struct mail mail;
	struct stall stall;
};

static void
on_letter(struct mail *m, void *receiver)
{
	struct letter *letter = CONTAINER_OF(m, struct letter, mail);
	struct monitor *monitor = receiver;

	stalls_add(&monitor->lookout.watch.stalls, &letter->stall);
	mem_free(&letter);
}

/* [route NAME] or [subrequest ROUTE.NAME]. */
static void
set_section(struct stall *s, const struct pool_task *task)
{
	size_t dot = task->name.len;

	if (slice_eq(task->kind, SLICE("subrequest"))) {
		while (dot > 0 && task->name.at[dot - 1] != '.')
			dot--;
		stall_set_text(s->part, slice_after(task->name, dot));
		dot -= dot > 0;
	}
	stall_set_text(s->route, slice_make(task->name.at, dot));
}

static void
describe(struct stall *s, const struct pool_loss *loss)
{
	const struct pool_task *task = loss->task;
	struct writer what = writer_over(s->what, sizeof(s->what) - 1);

	writer_text(&what, task->what ? task->what : "a job");
	if (task->owner) {
		writer_text(&what, " of ");
		writer_text(&what, task->owner);
	}
	stall_set_text(s->thread, slice_of(loss->thread));
	if (task->request)
		stall_set_text(s->request, slice_of(task->request));
	if (task->name.len > 0)
		set_section(s, task);
}

void
lookout_report(struct server *s, const struct pool_loss *loss, uint64_t now)
{
	struct letter *letter;

	if (!s->monitor.thread.is_running)
		return;
	letter = mem_alloc(sizeof(*letter));
	if (!letter)
		return; /* it is in the log, and counted */
	*letter = (struct letter){
		.mail.deliver = on_letter,
		.stall = { .kind = STALL_KIND_JOB,
			   .began_ns = now - loss->ran_ns,
			   .lasted_ns = loss->ran_ns,
			   .steady_ns = loss->ran_ns },
	};
	describe(&letter->stall, loss);
	mailbox_send(&s->monitor.env.loop.mailbox, &letter->mail);
}
