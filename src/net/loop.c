/*
 * The turn of one thread's loop; see loop.h.
 */
#include "net/loop.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Rounds of `soon` in one turn: a chain of completions may not hold the loop. */
enum { SOON_ROUNDS = 64 };

/* A base takes three, and libevent ends the process when it has the first but not the others. */
enum { SPARE_FDS = 8 };

static void
on_ring(evutil_socket_t fd, short what, void *argument)
{
	/* Edge-triggered and never read: being awake is all it is for. */
	(void)fd;
	(void)what;
	(void)argument;
}

static void
on_alarm(evutil_socket_t fd, short what, void *argument)
{
	struct loop *l = argument;

	(void)fd;
	(void)what;
	l->alarm_ns = CLOCK_NEVER;
}

static void
queue_init(struct deferred_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

/* Whether there are more descriptors than a base takes. Other threads may take some meanwhile, so
 * there have to be several more. */
static bool
has_spare_fds(int any)
{
	int fds[SPARE_FDS], count = 0, fd = 0;

	while (count < SPARE_FDS && fd >= 0) {
		fd = fcntl(any, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			fds[count++] = fd;
	}
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return count == SPARE_FDS;
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	/* One thread per base, time read by ourselves. */
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME) ==
		0 &&
	    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int
loop_init(struct loop *l, void *receiver)
{
	int err = ERR_SYSTEM;

	*l = (struct loop){ .receiver = receiver, .alarm_ns = CLOCK_NEVER };
	l->stall = &l->own_stall;
	queue_init(&l->soon);
	queue_init(&l->last);
	timers_init(&l->timers);
	lag_init(&l->lag);
	if (mailbox_init(&l->mailbox) != 0)
		return ERR_SYSTEM;
	l->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->alarm_fd < 0 || !has_spare_fds(l->alarm_fd))
		goto fail;
	err = ERR_MEMORY;
	l->base = new_base();
	if (!l->base)
		goto fail;
	l->wake = event_new(l->base, l->mailbox.wake_fd, EV_READ | EV_PERSIST | EV_ET, on_ring, l);
	l->alarm = event_new(l->base, l->alarm_fd, EV_READ | EV_PERSIST | EV_ET, on_alarm, l);
	if (!l->wake || !l->alarm || event_add(l->wake, NULL) != 0 ||
	    event_add(l->alarm, NULL) != 0)
		goto fail;
	return 0;
fail:
	loop_fini(l);
	return err;
}

void
loop_fini(struct loop *l)
{
	if (l->wake)
		event_free(l->wake);
	if (l->alarm)
		event_free(l->alarm);
	if (l->base)
		event_base_free(l->base);
	if (l->alarm_fd >= 0)
		close(l->alarm_fd);
	l->wake = l->alarm = NULL;
	l->base = NULL;
	l->alarm_fd = -1;
	timers_fini(&l->timers);
	mailbox_fini(&l->mailbox);
}

const char *
loop_library_version(void)
{
	return event_get_version();
}

uint64_t
loop_now_slow(struct loop *l)
{
	l->now_ns = clock_monotonic();
	stall_clock(l->stall, l->now_ns);
	lag_begin(&l->lag, l->now_ns);
	return l->now_ns;
}

static void
append(struct deferred_queue *q, struct deferred *d)
{
	if (d->is_waiting)
		return;
	d->is_waiting = true;
	d->next = NULL;
	*q->tail = d;
	q->tail = &d->next;
}

void
loop_soon(struct loop *l, struct deferred *d)
{
	append(&l->soon, d);
}

void
loop_last(struct loop *l, struct deferred *d)
{
	append(&l->last, d);
}

static void
forget(struct deferred_queue *q, struct deferred *d)
{
	struct deferred **at = &q->head;

	while (*at && *at != d)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = d->next;
	if (!*at)
		q->tail = at;
	d->is_waiting = false;
}

void
loop_forget(struct loop *l, struct deferred *d)
{
	if (!d->is_waiting)
		return;
	forget(&l->soon, d);
	forget(&l->last, d);
}

/* Runs what waits now; what is added meanwhile waits for the next round. */
static void
run_round(struct deferred_queue *q)
{
	/* Taken one by one, up to a mark, so that loop_forget() finds the rest. */
	struct deferred mark = { .is_waiting = true };

	if (!q->head)
		return;
	*q->tail = &mark;
	q->tail = &mark.next;
	while (q->head != &mark) {
		struct deferred *d = q->head;

		q->head = d->next;
		d->is_waiting = false;
		d->run(d);
	}
	q->head = mark.next;
	if (!q->head)
		q->tail = &q->head;
}

/* Has the kernel wake us for the earliest timer. One that fires early, because
 * what it was set for has been cleared, costs a turn and is set anew. */
static void
set_alarm(struct loop *l)
{
	const struct timer *first = timers_first(&l->timers);
	struct itimerspec at = { 0 };
	uint64_t at_ns;

	if (!first || first->at_ns >= l->alarm_ns)
		return;
	at_ns = first->at_ns ? first->at_ns : 1; /* all zeros would disarm it */
	at.it_value.tv_sec = (time_t)(at_ns / CLOCK_SEC);
	at.it_value.tv_nsec = (long)(at_ns % CLOCK_SEC);
	if (timerfd_settime(l->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
		l->alarm_ns = first->at_ns;
}

static void
run_timers(struct loop *l)
{
	const struct timer *first = timers_first(&l->timers);

	if (!first || first->at_ns > loop_now(l))
		return;
	stall_phase(l->stall, STALL_AT_TIMERS);
	timers_run(&l->timers, loop_now(l));
}

/* What a turn does after libevent's part. */
static void
finish_turn(struct loop *l)
{
	stall_phase(l->stall, STALL_AT_MAIL);
	mailbox_drain(&l->mailbox, l->receiver);
	run_timers(l);
	for (unsigned i = 0; l->soon.head && i < SOON_ROUNDS; i++) {
		stall_phase(l->stall, STALL_AT_LATER);
		run_round(&l->soon);
	}
	stall_phase(l->stall, STALL_AT_FLUSH);
	run_round(&l->last);
	stall_turn_over(l->stall);
}

void
loop_turn(struct loop *l, bool may_wait)
{
	if (l->soon.head || l->last.head)
		may_wait = false;
	set_alarm(l);
	if (may_wait)
		may_wait = mailbox_fall_asleep(&l->mailbox);
	l->now_ns = 0;
	event_base_loop(l->base, may_wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
	mailbox_wake_up(&l->mailbox);
	finish_turn(l);
	if (l->lag.is_near && l->now_ns)
		lag_end(&l->lag, clock_monotonic());
}

void
loop_turn_at(struct loop *l, uint64_t now_ns)
{
	l->now_ns = now_ns;
	finish_turn(l);
}

void
loop_run(struct loop *l)
{
	while (!l->is_stopping)
		loop_turn(l, true);
}

void
loop_stop(struct loop *l)
{
	l->is_stopping = true;
}

int
loop_set_timer(struct loop *l, struct timer *t, uint64_t at_ns)
{
	return timers_set(&l->timers, t, at_ns);
}

void
loop_clear_timer(struct loop *l, struct timer *t)
{
	timers_clear(&l->timers, t);
}
