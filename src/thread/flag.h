/*
 * A flag: one thread raises it, others look at it now and then and end what they
 * do. It says nothing of what was written before, and is never taken down.
 */
#ifndef FOREBAY_THREAD_FLAG_H
#define FOREBAY_THREAD_FLAG_H

#include <stdatomic.h>
#include <stdbool.h>

/* All zero: not raised. */
struct flag {
	atomic_bool is_up;
};

static inline void
flag_raise(struct flag *f)
{
	atomic_store_explicit(&f->is_up, true, memory_order_relaxed);
}

static inline bool
flag_is_raised(const struct flag *f)
{
	return atomic_load_explicit(&f->is_up, memory_order_relaxed);
}

#endif
