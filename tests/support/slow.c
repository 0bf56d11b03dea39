/*
 * An upstream of a known slowness, for scripts/bench: GET /N is answered with a
 * small JSON object N microseconds after its head has come.
 *
 *     tests/slow -p PORT
 *
 * One thread on 127.0.0.1, keep-alive; delays are kept by one timerfd, so that
 * they are exact to what the kernel's timers give. A conn has one request at a
 * time: what is pipelined is refused by closing. SIGTERM ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 8192, EVENTS = 64, BACKLOG = 1024 };

#define NS_PER_S     UINT64_C(1000000000)
#define DELAY_US_MAX UINT64_C(60000000)

struct conn {
	struct conn *prev, *next; /* in the list of those that wait */
	uint64_t due_ns; /* 0: does not wait */
	uint64_t delay_us;
	int fd;
	size_t len;
	char head[HEAD_BYTES + 1];
};

struct slow {
	int epoll, timer, listener;
	struct conn *first, *last; /* waiting, soonest first */
};

static void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- those that wait ------------------------------------------------------------ */

static void
set_timer(struct slow *s)
{
	struct itimerspec when = { .it_value = { 0, 0 } };

	if (s->first) {
		when.it_value.tv_sec = (time_t)(s->first->due_ns / NS_PER_S);
		when.it_value.tv_nsec = (long)(s->first->due_ns % NS_PER_S);
	}
	timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
waiting_add(struct slow *s, struct conn *c)
{
	struct conn *before = s->last;

	c->due_ns = now_ns() + c->delay_us * 1000;
	while (before && before->due_ns > c->due_ns)
		before = before->prev;
	c->prev = before;
	c->next = before ? before->next : s->first;
	*(c->prev ? &c->prev->next : &s->first) = c;
	*(c->next ? &c->next->prev : &s->last) = c;
	if (s->first == c)
		set_timer(s);
}

static void
waiting_remove(struct slow *s, struct conn *c)
{
	if (c->due_ns == 0)
		return;
	*(c->prev ? &c->prev->next : &s->first) = c->next;
	*(c->next ? &c->next->prev : &s->last) = c->prev;
	c->due_ns = 0;
}

/* --- conns ---------------------------------------------------------------------- */

static void
conn_close(struct slow *s, struct conn *c)
{
	waiting_remove(s, c);
	close(c->fd);
	free(c);
}

static void
conn_open(struct slow *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	if (!c)
		die("conn");
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		conn_close(s, c);
}

static void
answer(struct slow *s, struct conn *c)
{
	char text[256], body[64];
	int body_len =
	    snprintf(body, sizeof(body), "{\"delay_us\":%llu}", (unsigned long long)c->delay_us);
	int len = snprintf(text, sizeof(text),
			   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			   "Content-Length: %d\r\n\r\n%s",
			   body_len, body);

	waiting_remove(s, c);
	c->len = 0;
	if (send(c->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
		conn_close(s, c);
}

static void
answer_due(struct slow *s)
{
	uint64_t now = now_ns();

	while (s->first && s->first->due_ns <= now)
		answer(s, s->first);
	set_timer(s);
}

/* Whether the head is one "GET /N HTTP/1.1" and nothing comes after it. */
static bool
is_request(struct conn *c)
{
	char *end = strstr(c->head, "\r\n\r\n"), *rest;

	if (!end || end + 4 != c->head + c->len || strncmp(c->head, "GET /", 5) != 0)
		return false;
	errno = 0;
	c->delay_us = strtoull(c->head + 5, &rest, 10);
	return errno == 0 && rest != c->head + 5 && c->delay_us <= DELAY_US_MAX &&
	       strncmp(rest, " HTTP/1.1\r\n", 11) == 0;
}

static void
on_readable(struct slow *s, struct conn *c)
{
	ssize_t n = recv(c->fd, c->head + c->len, HEAD_BYTES - c->len, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || c->due_ns) {
		conn_close(s, c);
		return;
	}
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	if (is_request(c))
		waiting_add(s, c);
	else if (c->len == HEAD_BYTES || strstr(c->head, "\r\n\r\n"))
		conn_close(s, c);
}

static void
on_acceptable(struct slow *s)
{
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_open(s, fd);
}

/* --- the loop -------------------------------------------------------------------- */

static void
slow_open(struct slow *s, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct epoll_event tick = { .events = EPOLLIN, .data.ptr = &s->timer };
	struct epoll_event come = { .events = EPOLLIN, .data.ptr = &s->listener };
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listener < 0 ||
	    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(s->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(s->listener, BACKLOG) != 0)
		die("listen");
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->timer, &tick) != 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &come) != 0)
		die("epoll");
}

/* Answers go last: they may close a conn that an event of this turn names. */
static void
slow_turn(struct slow *s)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(s->epoll, events, EVENTS, -1);
	uint64_t ticks;

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &s->listener)
			on_acceptable(s);
		else if (what != &s->timer)
			on_readable(s, what);
		else if (read(s->timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
			die("timer");
	}
	answer_due(s);
}

int
main(int argc, char **argv)
{
	struct slow s = { .first = NULL };
	unsigned long port = 0;
	int option;

	while ((option = getopt(argc, argv, "p:")) != -1) {
		if (option == 'p')
			port = strtoul(optarg, NULL, 10);
	}
	if (port == 0 || port > UINT16_MAX) {
		fprintf(stderr, "usage: slow -p PORT\n");
		return EXIT_FAILURE;
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	slow_open(&s, (uint16_t)port);
	for (;;)
		slow_turn(&s);
}
