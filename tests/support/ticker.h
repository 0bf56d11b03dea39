/*
 * What the tools of scripts/bench in C have in common: one thread, one epoll
 * set, one timerfd, so that times are kept as exactly as the kernel's timers
 * are. Tools end at the first fault: a figure of a broken tool is none.
 */
#ifndef FOREBAY_TESTS_SUPPORT_TICKER_H
#define FOREBAY_TESTS_SUPPORT_TICKER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

enum { TICKER_EVENTS = 64, TICKER_BACKLOG = 1024 };

/* The first member of what waits for its time. */
struct ticker_wait {
	struct ticker_wait *prev, *next;
	uint64_t due_ns; /* 0: does not wait */
};

struct ticker {
	int epoll, timer;
	int listener; /* of those that listen */
	struct ticker_wait *first, *last; /* soonest first */
};

static inline void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* Of CLOCK_MONOTONIC, as are all times here. */
static inline uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* 0: not at all. */
static inline void
ticker_set(const struct ticker *t, uint64_t at_ns)
{
	struct itimerspec when = {
		.it_value = { (time_t)(at_ns / NS_PER_S), (long)(at_ns % NS_PER_S) },
	};

	timerfd_settime(t->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static inline void
ticker_open(struct ticker *t)
{
	prctl(PR_SET_TIMERSLACK, 1UL);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->epoll < 0 || t->timer < 0)
		die("epoll");
}

/* On 127.0.0.1, with the timer: ticker_turn() is for those that do this. */
static inline void
ticker_listen(struct ticker *t, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct epoll_event tick = { .events = EPOLLIN, .data.ptr = &t->timer };
	struct epoll_event come = { .events = EPOLLIN, .data.ptr = &t->listener };
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	t->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->listener < 0 ||
	    setsockopt(t->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(t->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(t->listener, TICKER_BACKLOG) != 0)
		die("listen");
	if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->timer, &tick) != 0 ||
	    epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->listener, &come) != 0)
		die("epoll");
}

/* It can be read from now on; false: it cannot. */
static inline bool
ticker_watch(const struct ticker *t, int fd, void *conn)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static inline void
ticker_await(struct ticker *t, struct ticker_wait *w, uint64_t due_ns)
{
	struct ticker_wait *before = t->last;

	while (before && before->due_ns > due_ns)
		before = before->prev;
	*w = (struct ticker_wait){ before, before ? before->next : t->first, due_ns };
	*(w->prev ? &w->prev->next : &t->first) = w;
	*(w->next ? &w->next->prev : &t->last) = w;
	if (t->first == w)
		ticker_set(t, due_ns);
}

static inline void
ticker_forget(struct ticker *t, struct ticker_wait *w)
{
	if (w->due_ns == 0)
		return;
	*(w->prev ? &w->prev->next : &t->first) = w->next;
	*(w->next ? &w->next->prev : &t->last) = w->prev;
	w->due_ns = 0;
}

/* The next whose time has come by then, and waits no more. At NULL the timer is set for the rest.
 */
static inline void *
ticker_take(struct ticker *t, uint64_t now)
{
	struct ticker_wait *w = t->first;

	if (w && w->due_ns <= now) {
		ticker_forget(t, w);
		return w;
	}
	ticker_set(t, w ? w->due_ns : 0);
	return NULL;
}

/* Waits until something happens, and tells of each conn that has come (NULL) or can be read. */
static inline void
ticker_turn(struct ticker *t, void (*on_ready)(void *owner, void *conn), void *owner)
{
	struct epoll_event events[TICKER_EVENTS];
	int n = epoll_wait(t->epoll, events, TICKER_EVENTS, -1);
	uint64_t ticks;

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what != &t->timer)
			on_ready(owner, what == &t->listener ? NULL : what);
		else if (read(t->timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
			die("timer");
	}
}

#endif
