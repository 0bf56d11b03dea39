/*
 * A home for jobs and mail in tests: a mailbox, and a wait that ends in
 * failure instead of never.
 */
#ifndef FOREBAY_TESTS_THREAD_HOME_H
#define FOREBAY_TESTS_THREAD_HOME_H

#include "thread/mailbox.h"

#include <check.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { HOME_PATIENCE_MS = 60000 };

struct home {
	struct mailbox mailbox;
	int epoll_fd;
	void *receiver;
};

static inline void
home_open(struct home *h, void *receiver)
{
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET };

	h->receiver = receiver;
	ck_assert_int_eq(mailbox_init(&h->mailbox), 0);
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_int_ge(h->epoll_fd, 0);
	ck_assert_int_eq(epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->mailbox.wake_fd, &edge), 0);
}

static inline void
home_close(struct home *h)
{
	close(h->epoll_fd);
	mailbox_fini(&h->mailbox);
}

/* One turn: takes what is there, else sleeps until it is woken. */
static inline unsigned
home_turn(struct home *h)
{
	struct epoll_event event;
	unsigned delivered = mailbox_drain(&h->mailbox, h->receiver);

	if (delivered > 0)
		return delivered;
	if (mailbox_fall_asleep(&h->mailbox)) {
		int woken = epoll_wait(h->epoll_fd, &event, 1, HOME_PATIENCE_MS);
		ck_assert_msg(woken == 1, "nobody woke the receiver");
		mailbox_wake_up(&h->mailbox);
	}
	return mailbox_drain(&h->mailbox, h->receiver);
}

/* Turns until *counter, which mail moves, has reached `wanted`. */
static inline void
home_await(struct home *h, const unsigned *counter, unsigned wanted)
{
	while (*counter < wanted)
		home_turn(h);
}

#endif
