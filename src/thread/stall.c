/*
 * Stall slots; see stall.h.
 */
#include "thread/stall.h"

#include "base/clock.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const char *
stall_at_word(enum stall_at at)
{
	static const char *const words[STALL_ATS] = {
#define STALL_AT(name, word) [STALL_AT_##name] = word,
		STALL_AT_ALL
#undef STALL_AT
	};

	return words[at];
}

/* --- its thread ---------------------------------------------------------------------- */

void
stall_begin(struct stall_slot *s)
{
	clockid_t clock = 0;

	if (pthread_getcpuclockid(pthread_self(), &clock) != 0)
		return;
	stall_turn_over(s);
	atomic_store_explicit(&s->clock, (int)clock, memory_order_relaxed);
	atomic_store_explicit(&s->thread, (uint32_t)syscall(SYS_gettid), memory_order_release);
}

void
stall_end(struct stall_slot *s)
{
	atomic_store_explicit(&s->thread, 0, memory_order_release);
}

void
stall_tell(struct stall_slot *s, const struct stall_report *r)
{
	uint64_t at = atomic_load_explicit(&s->reported, memory_order_relaxed);
	struct stall_report *to = &s->report[at % STALL_REPORTS];

	if (at - atomic_load_explicit(&s->taken, memory_order_acquire) >= STALL_REPORTS) {
		atomic_store_explicit(&s->lost,
				      atomic_load_explicit(&s->lost, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return;
	}
	*to = *r;
	to->turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
	to->mark = atomic_load_explicit(&s->mark, memory_order_relaxed);
	to->request = atomic_load_explicit(&s->request, memory_order_relaxed);
	atomic_store_explicit(&s->reported, at + 1, memory_order_release);
}

/* --- the watch ----------------------------------------------------------------------- */

/* A turn that ends meanwhile is looked at again; one that goes on is what is looked for. */
void
stall_look(const struct stall_slot *s, struct stall_look *look)
{
	unsigned tries = 0;

	do {
		look->turn = atomic_load_explicit(&s->turn, memory_order_acquire);
		look->began_ns = atomic_load_explicit(&s->began_ns, memory_order_relaxed);
		look->mark = atomic_load_explicit(&s->mark, memory_order_relaxed);
		look->request = atomic_load_explicit(&s->request, memory_order_relaxed);
	} while (look->turn != atomic_load_explicit(&s->turn, memory_order_relaxed) && ++tries < 4);
	look->is_awake = stall_thread(s) != 0 && (look->began_ns != 0 || look->mark != 0);
}

struct stall_where
stall_where(uint64_t mark)
{
	uint64_t at = mark & 0xff;

	return (struct stall_where){
		.at = at < STALL_ATS ? (enum stall_at)at : STALL_AT_NOTHING,
		.part = (unsigned)(mark >> 8 & 0xffff),
		.generation = (unsigned)(mark >> 24 & 0xffff),
		.route = (unsigned)(mark >> 40),
	};
}

bool
stall_take(struct stall_slot *s, struct stall_report *r)
{
	uint64_t at = atomic_load_explicit(&s->taken, memory_order_relaxed);

	if (at == atomic_load_explicit(&s->reported, memory_order_acquire))
		return false;
	*r = s->report[at % STALL_REPORTS];
	atomic_store_explicit(&s->taken, at + 1, memory_order_release);
	return true;
}

uint64_t
stall_lost(const struct stall_slot *s)
{
	return atomic_load_explicit(&s->lost, memory_order_relaxed);
}

uint32_t
stall_thread(const struct stall_slot *s)
{
	return atomic_load_explicit(&s->thread, memory_order_acquire);
}

uint64_t
stall_cpu_ns(const struct stall_slot *s)
{
	struct timespec t;

	if (stall_thread(s) == 0)
		return 0;
	/* A thread that has ended meanwhile has no clock any more. */
	if (clock_gettime((clockid_t)atomic_load_explicit(&s->clock, memory_order_relaxed), &t) !=
	    0)
		return 0;
	return (uint64_t)t.tv_sec * CLOCK_SEC + (uint64_t)t.tv_nsec;
}
