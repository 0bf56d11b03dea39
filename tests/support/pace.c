/*
 * Requests at a fixed pace, whatever the server does: an open loop. Latency
 * counts from the moment a request was meant to be sent, so that a server that
 * stalls is charged for every request that had to wait meanwhile.
 *
 *     tests/pace -p PORT -u /PATH -r RATE -d SECONDS [-c CONNS] [-x]
 *
 * -x draws the gaps at random (Poisson arrivals); without it they are equal.
 * One thread, keep-alive conns to 127.0.0.1; a request that finds all CONNS
 * busy waits for one. Prints one JSON object: counts, and latencies in
 * microseconds over all and by status.
 *
 * A load generator belongs on a machine of its own. On this one it asks for
 * real-time priority, so that its own delays are not charged to the server.
 */
#include "ticker.h"

#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <strings.h>

enum { REPLY_BYTES = 65536, EVENTS = 64, CONNS_MAX = 4096, STATUS_MAX = 600, WAIT_AFTER_S = 5 };

struct conn {
	int fd; /* -1: closed */
	bool is_busy;
	size_t request; /* index of the one it carries */
	size_t len;
	char reply[REPLY_BYTES];
};

/* What became of one request. */
struct outcome {
	uint64_t meant_ns, took_ns;
	int status; /* 0: none came */
};

struct pace {
	uint16_t port;
	const char *path;
	double rate, seconds;
	size_t conns;
	bool is_random;
	struct conn *conn;
	struct outcome *outcome;
	size_t count, due, sent, answered, broken;
	uint64_t state; /* of the random gaps */
	struct ticker ticker;
	char text[1024];
	size_t text_len;
};

/* --- the plan: when each request is meant to go -------------------------------- */

static double
random_unit(struct pace *p)
{
	p->state = p->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((double)(p->state >> 11) + 0.5) / 9007199254740992.0;
}

static void
make_plan(struct pace *p, uint64_t start)
{
	double at = 0;

	p->count = (size_t)(p->rate * p->seconds);
	p->outcome = calloc(p->count + 1, sizeof(*p->outcome));
	p->conn = calloc(p->conns, sizeof(*p->conn));
	if (!p->outcome || !p->conn || p->count == 0)
		die("plan");
	for (size_t i = 0; i < p->count; i++) {
		p->outcome[i].meant_ns = start + (uint64_t)(at * 1e9);
		at += (p->is_random ? -log(random_unit(p)) : 1.0) / p->rate;
	}
}

static void
set_timer(struct pace *p)
{
	ticker_set(&p->ticker, p->due < p->count ? p->outcome[p->due].meant_ns : 0);
}

/* --- conns ---------------------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->is_busy = false;
	c->len = 0;
}

static bool
conn_open(struct pace *p, struct conn *c)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(p->port) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    epoll_ctl(p->ticker.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
		conn_close(c);
		return false;
	}
	return true;
}

static struct conn *
find_idle(struct pace *p)
{
	for (size_t i = 0; i < p->conns; i++) {
		if (!p->conn[i].is_busy)
			return &p->conn[i];
	}
	return NULL;
}

static void
finish(struct pace *p, struct conn *c, int status)
{
	struct outcome *o = &p->outcome[c->request];

	o->took_ns = now_ns() - o->meant_ns;
	o->status = status;
	p->answered++;
	p->broken += status == 0;
	c->is_busy = false;
	c->len = 0;
}

/* Sends what is due as far as there are idle conns. */
static void
send_due(struct pace *p)
{
	struct conn *c;

	while (p->due < p->count && p->outcome[p->due].meant_ns <= now_ns())
		p->due++;
	while (p->sent < p->due && (c = find_idle(p)) != NULL) {
		c->request = p->sent++;
		c->is_busy = true;
		if ((c->fd < 0 && !conn_open(p, c)) ||
		    send(c->fd, p->text, p->text_len, MSG_NOSIGNAL) != (ssize_t)p->text_len) {
			finish(p, c, 0);
			if (c->fd >= 0)
				conn_close(c);
		}
	}
	set_timer(p);
}

/* The length of the whole reply in c->reply, 0 if it is not all there. */
static size_t
reply_length(struct conn *c)
{
	char *end, *field;
	size_t body = 0;

	c->reply[c->len] = '\0';
	end = strstr(c->reply, "\r\n\r\n");
	if (!end)
		return 0;
	field = strcasestr(c->reply, "\r\nContent-Length:");
	if (field && field < end)
		body = strtoul(field + 17, NULL, 10);
	body += (size_t)(end + 4 - c->reply);
	return body <= c->len ? body : 0;
}

static void
on_reply(struct pace *p, struct conn *c)
{
	ssize_t n = recv(c->fd, c->reply + c->len, REPLY_BYTES - 1 - c->len, MSG_DONTWAIT);
	char *close_field;
	int status = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (c->is_busy)
			finish(p, c, 0);
		conn_close(c);
		return;
	}
	c->len += (size_t)n;
	if (reply_length(c) == 0)
		return;
	if (c->len > 12)
		status = (int)strtol(c->reply + 9, NULL, 10);
	close_field = strcasestr(c->reply, "\r\nConnection: close");
	finish(p, c, status > 0 && status < STATUS_MAX ? status : 0);
	if (close_field)
		conn_close(c);
}

/* --- the report ------------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Latencies of one status (-1: of all that were answered) as a JSON object. */
static void
print_latencies(const struct pace *p, int status)
{
	static const struct {
		const char *name;
		double part;
	} wanted[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };
	uint64_t *took = calloc(p->count, sizeof(*took));
	size_t n = 0;

	if (!took)
		die("report");
	for (size_t i = 0; i < p->sent; i++) {
		int got = p->outcome[i].status;

		if (got == status || (status < 0 && got > 0))
			took[n++] = p->outcome[i].took_ns;
	}
	qsort(took, n, sizeof(*took), compare);
	printf("{\"count\": %zu", n);
	for (size_t i = 0; n && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		printf(", \"%s\": %.1f", wanted[i].name,
		       (double)took[(size_t)((double)(n - 1) * wanted[i].part)] / 1000);
	if (n)
		printf(", \"max\": %.1f", (double)took[n - 1] / 1000);
	printf("}");
	free(took);
}

static void
print_report(const struct pace *p)
{
	bool is_seen[STATUS_MAX] = { false };
	const char *comma = "";

	for (size_t i = 0; i < p->sent; i++)
		is_seen[p->outcome[i].status] = true;
	printf("{\"meant\": %zu, \"sent\": %zu, \"answered\": %zu, \"broken\": %zu, \"us\": ",
	       p->count, p->sent, p->answered, p->broken);
	print_latencies(p, -1);
	printf(", \"by_status\": {");
	for (int status = 1; status < STATUS_MAX; status++) {
		if (!is_seen[status])
			continue;
		printf("%s\"%d\": ", comma, status);
		print_latencies(p, status);
		comma = ", ";
	}
	printf("}}\n");
}

/* --- the loop -------------------------------------------------------------------- */

static void
run(struct pace *p)
{
	struct epoll_event events[EVENTS], tick = { .events = EPOLLIN, .data.ptr = NULL };
	uint64_t end = p->outcome[p->count - 1].meant_ns + WAIT_AFTER_S * NS_PER_S;

	if (epoll_ctl(p->ticker.epoll, EPOLL_CTL_ADD, p->ticker.timer, &tick) != 0)
		die("timer");
	set_timer(p);
	while (p->answered < p->count && now_ns() < end) {
		int n = epoll_wait(p->ticker.epoll, events, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			uint64_t ticks;

			if (events[i].data.ptr)
				on_reply(p, events[i].data.ptr);
			else if (read(p->ticker.timer, &ticks, sizeof(ticks)) < 0)
				continue;
		}
		send_due(p);
	}
}

static void
read_options(struct pace *p, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:u:r:d:c:x")) != -1) {
		if (option == 'p')
			p->port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 'u')
			p->path = optarg;
		else if (option == 'r')
			p->rate = strtod(optarg, NULL);
		else if (option == 'd')
			p->seconds = strtod(optarg, NULL);
		else if (option == 'c')
			p->conns = strtoul(optarg, NULL, 10);
		else if (option == 'x')
			p->is_random = true;
	}
	if (p->port == 0 || !(p->rate > 0) || !(p->seconds > 0) || p->conns < 1 ||
	    p->conns > CONNS_MAX) {
		fprintf(stderr,
			"usage: pace -p PORT [-u /PATH] -r RATE -d SECONDS [-c CONNS] [-x]\n");
		exit(EXIT_FAILURE);
	}
}

int
main(int argc, char **argv)
{
	struct pace p = { .path = "/", .conns = 64, .state = 42 };
	struct sched_param priority = { .sched_priority = 1 };

	read_options(&p, argc, argv);
	p.text_len =
	    (size_t)snprintf(p.text, sizeof(p.text),
			     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", p.path, p.port);
	if (p.text_len >= sizeof(p.text))
		die("path");
	if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		fprintf(stderr, "pace: no real-time priority: its own delays count too\n");
	ticker_open(&p.ticker);
	make_plan(&p, now_ns() + NS_PER_S / 5);
	for (size_t i = 0; i < p.conns; i++) {
		if (!conn_open(&p, &p.conn[i]))
			die("connect");
	}
	run(&p);
	print_report(&p);
	return p.answered == p.count && p.broken == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
