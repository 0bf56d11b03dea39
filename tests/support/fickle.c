/*
 * An upstream that fails when it is told to, for scripts/bench: it answers every
 * GET a while after its head has come, and counts when they came.
 *
 *     tests/fickle -p PORT [-u MICROSECONDS]
 *
 *     GET /-/ok      from now on 200
 *     GET /-/503     from now on 503, at once
 *     GET /-/reset   from now on connections are reset when a head has come
 *     GET /-/hang    from now on nothing: who asks meanwhile is never answered
 *     GET /-/counts  {"began_ns", "slot_ms", "seen": [requests by slot]}
 *
 * Only what does not begin with /-/ is counted; times are those of
 * CLOCK_MONOTONIC. One thread on 127.0.0.1, keep-alive; a conn has one request at
 * a time: what is pipelined is refused by closing. SIGTERM ends it.
 */
#include "ticker.h"

#include <string.h>

enum { HEAD_BYTES = 8192, SLOT_MS = 10, SLOTS = 60000 };

#define NS_PER_MS UINT64_C(1000000)

enum mode { MODE_OK, MODE_503, MODE_RESET, MODE_HANG, MODES };

struct conn {
	struct ticker_wait wait;
	int fd;
	bool hangs; /* it is never answered any more */
	size_t len;
	char head[HEAD_BYTES + 1];
};

struct fickle {
	struct ticker ticker;
	enum mode mode;
	uint64_t delay_ns;
	uint64_t began_ns;
	size_t slots; /* that have anything in them, or lie before one */
	uint32_t seen[SLOTS];
};

static const struct {
	const char *path;
	enum mode mode;
} orders[MODES] = {
	{ "/-/ok", MODE_OK },
	{ "/-/503", MODE_503 },
	{ "/-/reset", MODE_RESET },
	{ "/-/hang", MODE_HANG },
};

static void
count(struct fickle *f)
{
	size_t slot = (size_t)((now_ns() - f->began_ns) / (SLOT_MS * NS_PER_MS));

	if (slot >= SLOTS)
		return;
	f->seen[slot]++;
	if (slot >= f->slots)
		f->slots = slot + 1;
}

/* --- conns ------------------------------------------------------------------------ */

static void
conn_close(struct fickle *f, struct conn *c)
{
	ticker_forget(&f->ticker, &c->wait);
	close(c->fd);
	free(c);
}

static void
conn_reset(struct fickle *f, struct conn *c)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	conn_close(f, c);
}

static void
conn_open(struct fickle *f, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		die("conn");
	c->fd = fd;
	if (!ticker_watch(&f->ticker, fd, c))
		conn_close(f, c);
}

/* --- answers ---------------------------------------------------------------------- */

/* The socket blocks: a report may be long. */
static void
say(struct fickle *f, struct conn *c, const char *status, const char *body, size_t len)
{
	char head[128];
	int head_len = snprintf(head, sizeof(head),
				"HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
				"Content-Length: %zu\r\n\r\n",
				status, len);

	c->len = 0;
	if (send(c->fd, head, (size_t)head_len, MSG_NOSIGNAL | (len > 0 ? MSG_MORE : 0)) !=
		head_len ||
	    (len > 0 && send(c->fd, body, len, MSG_NOSIGNAL) != (ssize_t)len))
		conn_close(f, c);
}

static void
say_counts(struct fickle *f, struct conn *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		die("report");
	fprintf(out, "{\"began_ns\": %llu, \"slot_ms\": %d, \"seen\": [",
		(unsigned long long)f->began_ns, SLOT_MS);
	for (size_t i = 0; i < f->slots; i++)
		fprintf(out, i ? ", %u" : "%u", f->seen[i]);
	fprintf(out, "]}\n");
	if (fclose(out) != 0)
		die("report");
	say(f, c, "200 OK", text, len);
	free(text);
}

static void
obey(struct fickle *f, struct conn *c, const char *path)
{
	if (strcmp(path, "/-/counts") == 0) {
		say_counts(f, c);
		return;
	}
	for (size_t i = 0; i < MODES; i++) {
		if (strcmp(path, orders[i].path) == 0) {
			f->mode = orders[i].mode;
			say(f, c, "200 OK", "", 0);
			return;
		}
	}
	say(f, c, "404 Not Found", "", 0);
}

static void
answer(struct fickle *f, struct conn *c)
{
	count(f);
	if (f->mode == MODE_HANG)
		c->hangs = true;
	else if (f->mode == MODE_RESET)
		conn_reset(f, c);
	else if (f->mode == MODE_503)
		say(f, c, "503 Service Unavailable", "", 0);
	else
		ticker_await(&f->ticker, &c->wait, now_ns() + f->delay_ns);
}

static void
answer_due(struct fickle *f)
{
	uint64_t now = now_ns();
	struct conn *c;

	while ((c = ticker_take(&f->ticker, now)) != NULL)
		say(f, c, "200 OK", "Hello.\n", 7);
}

static void
on_readable(struct fickle *f, struct conn *c)
{
	ssize_t n = recv(c->fd, c->head + c->len, HEAD_BYTES - c->len, MSG_DONTWAIT);
	char path[64], *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || c->hangs || c->wait.due_ns) {
		conn_close(f, c);
		return;
	}
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (c->len == HEAD_BYTES)
			conn_close(f, c);
	} else if (end + 4 != c->head + c->len || strncmp(c->head, "GET /", 5) != 0) {
		conn_close(f, c);
	} else if (sscanf(c->head, "GET %63s HTTP/1.1\r\n", path) == 1 &&
		   strncmp(path, "/-/", 3) == 0) {
		obey(f, c, path);
	} else {
		answer(f, c);
	}
}

/* --- the loop ---------------------------------------------------------------------- */

static void
on_acceptable(struct fickle *f)
{
	int fd;

	while ((fd = accept4(f->ticker.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		conn_open(f, fd);
}

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
	static struct fickle f;
	unsigned long port = 0;
	int option;

	while ((option = getopt(argc, argv, "p:u:")) != -1) {
		if (option == 'p')
			port = strtoul(optarg, NULL, 10);
		else if (option == 'u')
			f.delay_ns = strtoul(optarg, NULL, 10) * 1000;
	}
	if (port == 0 || port > UINT16_MAX) {
		fprintf(stderr, "usage: fickle -p PORT [-u MICROSECONDS]\n");
		return EXIT_FAILURE;
	}
	f.began_ns = now_ns();
	ticker_open(&f.ticker);
	ticker_listen(&f.ticker, (uint16_t)port);
	for (;;) {
		ticker_turn(&f.ticker, on_ready, &f);
		/* Last: it may close a conn that an event of this turn names. */
		answer_due(&f);
	}
}
