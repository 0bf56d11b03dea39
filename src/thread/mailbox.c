/*
 * Mail between threads; see mailbox.h for the protocol.
 */
#include "thread/mailbox.h"

#include "base/assert.h"
#include "base/err.h"

#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
mailbox_init(struct mailbox *b)
{
	atomic_init(&b->newest, NULL);
	atomic_init(&b->senders, 0);
	atomic_init(&b->is_asleep, false);
	b->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return b->wake_fd < 0 ? ERR_SYSTEM : 0;
}

void
mailbox_fini(struct mailbox *b)
{
	while (atomic_load_explicit(&b->senders, memory_order_acquire) > 0)
		sched_yield();
	ASSERT(atomic_load_explicit(&b->newest, memory_order_relaxed) == NULL);
	if (b->wake_fd >= 0)
		close(b->wake_fd);
	b->wake_fd = -1;
}

void
mailbox_ring(struct mailbox *b)
{
	uint64_t one = 1;

	/* Each write is an edge; the counter would take centuries to fill. */
	if (write(b->wake_fd, &one, sizeof(one)) < 0) {
		/* Full: the receiver has edges enough. */
	}
}

void
mailbox_send(struct mailbox *b, struct mail *m)
{
	struct mail *newest;

	atomic_fetch_add_explicit(&b->senders, 1, memory_order_relaxed);
	newest = atomic_load_explicit(&b->newest, memory_order_relaxed);
	do {
		m->next = newest;
	} while (!atomic_compare_exchange_weak_explicit(
	    &b->newest, &newest, m, memory_order_seq_cst, memory_order_relaxed));
	/* Seen asleep by several senders, rung by one of them. */
	if (atomic_load_explicit(&b->is_asleep, memory_order_seq_cst) &&
	    atomic_exchange_explicit(&b->is_asleep, false, memory_order_seq_cst))
		mailbox_ring(b);
	atomic_fetch_sub_explicit(&b->senders, 1, memory_order_release);
}

unsigned
mailbox_drain(struct mailbox *b, void *receiver)
{
	struct mail *m, *oldest = NULL;
	unsigned delivered = 0;

	if (!atomic_load_explicit(&b->newest, memory_order_relaxed))
		return 0;
	m = atomic_exchange_explicit(&b->newest, NULL, memory_order_acquire);
	while (m) {
		struct mail *next = m->next;
		m->next = oldest;
		oldest = m;
		m = next;
	}
	while (oldest) {
		m = oldest;
		oldest = m->next;
		m->deliver(m, receiver);
		delivered++;
	}
	return delivered;
}

bool
mailbox_fall_asleep(struct mailbox *b)
{
	atomic_store_explicit(&b->is_asleep, true, memory_order_seq_cst);
	if (!atomic_load_explicit(&b->newest, memory_order_seq_cst))
		return true;
	mailbox_wake_up(b);
	return false;
}

void
mailbox_wake_up(struct mailbox *b)
{
	atomic_store_explicit(&b->is_asleep, false, memory_order_relaxed);
}
