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
#include "ticker.h"

#include <string.h>

enum { HEAD_BYTES = 8192 };

#define DELAY_US_MAX UINT64_C(60000000)

struct conn {
	struct ticker_wait wait;
	uint64_t delay_us;
	int fd;
	size_t len;
	char head[HEAD_BYTES + 1];
};

struct slow {
	struct ticker ticker;
};

/* --- conns ---------------------------------------------------------------------- */

static void
conn_close(struct slow *s, struct conn *c)
{
	ticker_forget(&s->ticker, &c->wait);
	close(c->fd);
	free(c);
}

static void
conn_open(struct slow *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		die("conn");
	c->fd = fd;
	if (!ticker_watch(&s->ticker, fd, c))
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

	c->len = 0;
	if (send(c->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
		conn_close(s, c);
}

static void
answer_due(struct slow *s)
{
	uint64_t now = now_ns();
	struct conn *c;

	while ((c = ticker_take(&s->ticker, now)) != NULL)
		answer(s, c);
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
	if (n <= 0 || c->wait.due_ns) {
		conn_close(s, c);
		return;
	}
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	if (is_request(c))
		ticker_await(&s->ticker, &c->wait, now_ns() + c->delay_us * 1000);
	else if (c->len == HEAD_BYTES || strstr(c->head, "\r\n\r\n"))
		conn_close(s, c);
}

static void
on_acceptable(struct slow *s)
{
	int fd;

	while ((fd = accept4(s->ticker.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_open(s, fd);
}

/* --- the loop -------------------------------------------------------------------- */

static void
on_ready(void *owner, void *conn)
{
	if (conn)
		on_readable(owner, conn);
	else
		on_acceptable(owner);
}

int
main(int argc, char **argv)
{
	struct slow s = { .ticker = { 0 } };
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
	ticker_open(&s.ticker);
	ticker_listen(&s.ticker, (uint16_t)port);
	for (;;) {
		ticker_turn(&s.ticker, on_ready, &s);
		answer_due(&s);
	}
}
