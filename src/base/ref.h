/*
 * A count of users, for what several threads keep alive together and nobody
 * owns alone: who takes the last user away frees it. Immutable data needs no more;
 * what changes is somebody's, and reached by mail.
 */
#ifndef FOREBAY_BASE_REF_H
#define FOREBAY_BASE_REF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ref {
	_Atomic uint32_t users;
};

/* One user: whoever made it. */
static inline void
ref_init(struct ref *r)
{
	atomic_init(&r->users, 1);
}

/* For who has a user already. */
static inline void
ref_take(struct ref *r)
{
	atomic_fetch_add_explicit(&r->users, 1, memory_order_relaxed);
}

/* True: that was the last one, and what others wrote before they dropped theirs is seen. */
static inline bool
ref_drop(struct ref *r)
{
	return atomic_fetch_sub_explicit(&r->users, 1, memory_order_acq_rel) == 1;
}

#endif
