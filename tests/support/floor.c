/*
 * The floor: the least that a correct threaded HTTP/1.1 server on libevent can
 * do, to hold our own server against. It knows no route, no limit and no body;
 * it finds where each head ends, honours Connection, and answers all whole
 * requests of one read with one write of a prepared response.
 *
 *     tests/floor -p PORT -w WORKERS [-s BYTES]
 *
 * -p 0 picks a port; the port is printed when it listens. -s makes each
 * response that long, so that both servers send as much. SIGTERM ends it.
 *
 * The same shape as ours, so that a new connection costs like for like: the
 * main thread accepts, hands fds round-robin to workers through a ring each,
 * and wakes one only if it sleeps. A worker reads a new conn before it tells
 * epoll about it: with TCP_DEFER_ACCEPT the request is there already.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_BYTES = 65536,
	HEAD_BYTES = 16384, /* a head cut over several reads */
	COPIES = 128, /* responses that lie ready in a row */
	RESPONSE_BYTES = 1024,
	RING_SLOTS = 16384, /* a power of two */
	WORKERS_MAX = 64,
	BACKLOG = 4096,
};

/* How a response says whether the conn stays: not at all (HTTP/1.1), that it
 * stays (to HTTP/1.0), that it goes. */
enum kind { KIND_PLAIN, KIND_KEEP, KIND_CLOSE, KINDS };

struct conn {
	struct event event;
	struct worker *worker; /* borrowed */
	struct conn *next; /* on the free list */
	char *part; /* a head that is not whole yet; owned */
	char *owed; /* what the socket did not take; owned */
	size_t part_len, owed_len, owed_done;
	int fd;
	bool is_registered, is_last;
};

/* Responses of one kind, COPIES of them in a row. */
struct ready {
	char at[COPIES * RESPONSE_BYTES];
	size_t len; /* of one */
};

struct worker {
	struct event_base *base;
	struct event wake;
	struct conn *free_conns;
	time_t second; /* of the Date in ready[] */
	struct ready ready[KINDS];
	char input[HEAD_BYTES + READ_BYTES]; /* a kept part goes before what is read */
	int wake_fd;
	pthread_t thread;
	/* The acceptor writes `tail`, the worker `head`: a cache line for each. */
	_Alignas(64) _Atomic uint32_t tail;
	_Alignas(64) _Atomic uint32_t head;
	_Alignas(64) atomic_bool is_asleep;
	int ring[RING_SLOTS];
};

static size_t wanted_bytes;

static void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* --- responses --------------------------------------------------------------- */

/* Writes one response with a body of body_len bytes; returns its length. */
static size_t
write_response(char *at, enum kind kind, time_t second, size_t body_len)
{
	static const char *const connection[KINDS] = {
		[KIND_PLAIN] = "",
		[KIND_KEEP] = "Connection: keep-alive\r\n",
		[KIND_CLOSE] = "Connection: close\r\n",
	};
	char date[64];
	struct tm parts;
	size_t len;

	gmtime_r(&second, &parts);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
	len = (size_t)snprintf(at, RESPONSE_BYTES,
			       "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/plain\r\n"
			       "Content-Length: %zu\r\n%s\r\n",
			       date, body_len, connection[kind]);
	memset(at + len, '.', body_len);
	memcpy(at + len, "Hello.\n", body_len < 7 ? body_len : 7);
	return len + body_len;
}

/* The body that makes a plain response wanted_bytes long, or "Hello.\n". */
static size_t
fitting_body(void)
{
	char one[RESPONSE_BYTES];

	for (size_t len = 0; len < RESPONSE_BYTES / 2; len++) {
		if (write_response(one, KIND_PLAIN, 0, len) == wanted_bytes)
			return len;
	}
	return 7;
}

static void
prepare(struct worker *w, time_t second)
{
	size_t body_len = fitting_body();

	for (int kind = 0; kind < KINDS; kind++) {
		struct ready *r = &w->ready[kind];

		r->len = write_response(r->at, (enum kind)kind, second, body_len);
		for (size_t i = 1; i < COPIES; i++)
			memcpy(r->at + i * r->len, r->at, r->len);
	}
	w->second = second;
}

/* --- heads ------------------------------------------------------------------- */

/* The length of the head at the start of at[len], 0 if it is not whole. */
static size_t
scan_head(const char *at, size_t len, enum kind *kind)
{
	const char *line = at, *limit = at + len, *end;
	bool is_old = false;

	*kind = KIND_PLAIN;
	while ((end = memchr(line, '\n', (size_t)(limit - line))) != NULL) {
		if (end - line <= 1 && line > at)
			return (size_t)(end + 1 - at);
		if (line == at) {
			is_old = end - line > 9 && memcmp(end - 9, "HTTP/1.0", 8) == 0;
			*kind = is_old ? KIND_CLOSE : KIND_PLAIN;
		} else if ((*line | 0x20) == 'c' && end - line > 12 &&
			   strncasecmp(line, "connection:", 11) == 0) {
			char first = (char)(line[11 + (line[11] == ' ')] | 0x20);

			if (first == 'c')
				*kind = KIND_CLOSE;
			else if (is_old && first == 'k')
				*kind = KIND_KEEP;
		}
		line = end + 1;
	}
	return 0;
}

/* --- conns ------------------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	if (c->is_registered)
		event_del(&c->event);
	close(c->fd);
	free(c->part);
	free(c->owed);
	c->next = c->worker->free_conns;
	c->worker->free_conns = c;
}

static void on_conn(evutil_socket_t fd, short what, void *argument);

/* Waits for reads, or, while bytes are owed, for writes alone. */
static void
watch(struct conn *c, short what)
{
	if (c->is_registered)
		event_del(&c->event);
	event_assign(&c->event, c->worker->base, c->fd, what | EV_PERSIST | EV_ET, on_conn, c);
	event_add(&c->event, NULL);
	c->is_registered = true;
}

/* Sends n responses; false when the conn is gone or has to wait. */
static bool
send_ready(struct conn *c, enum kind kind, size_t n)
{
	struct worker *w = c->worker;
	const struct ready *r = &w->ready[kind];
	time_t now = time(NULL);

	if (now != w->second)
		prepare(w, now);
	while (n > 0) {
		size_t some = n < COPIES ? n : COPIES, bytes = some * r->len;
		ssize_t done = send(c->fd, r->at, bytes, MSG_NOSIGNAL);

		if (done == (ssize_t)bytes) {
			n -= some;
			continue;
		}
		if ((done < 0 && errno != EAGAIN) || !(c->owed = malloc(n * r->len))) {
			conn_close(c);
			return false;
		}
		done = done < 0 ? 0 : done;
		memcpy(c->owed, r->at + done, bytes - (size_t)done);
		for (c->owed_len = bytes - (size_t)done; some < n; some++, c->owed_len += r->len)
			memcpy(c->owed + c->owed_len, r->at, r->len);
		c->owed_done = 0;
		watch(c, EV_WRITE);
		return false;
	}
	return true;
}

static bool
keep_part(struct conn *c, const char *at, size_t len)
{
	if (len == 0)
		return true;
	if (len >= HEAD_BYTES || !(c->part = malloc(len))) {
		conn_close(c);
		return false;
	}
	memcpy(c->part, at, len);
	c->part_len = len;
	return true;
}

/* Answers all whole requests in at[len] and keeps the rest; false when the conn
 * is gone or has to wait. */
static bool
answer(struct conn *c, const char *at, size_t len)
{
	enum kind kind = KIND_PLAIN, next;
	size_t n = 0, head;

	while ((head = scan_head(at, len, &next)) > 0) {
		if (n > 0 && next != kind && !send_ready(c, kind, n))
			return false;
		n = next != kind ? 1 : n + 1;
		kind = next;
		at += head;
		len -= head;
		if (kind == KIND_CLOSE) {
			c->is_last = true;
			len = 0;
			break;
		}
	}
	if (!keep_part(c, at, len) || (n > 0 && !send_ready(c, kind, n)))
		return false;
	if (c->is_last)
		conn_close(c);
	return !c->is_last;
}

/* Reads until the socket is empty: a short read says so as well as EAGAIN. */
static void
serve(struct conn *c)
{
	ssize_t n;

	do {
		char *at = c->worker->input + HEAD_BYTES;
		size_t kept = c->part_len;

		n = recv(c->fd, at, READ_BYTES, 0);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		if (kept) {
			memcpy(at - kept, c->part, kept);
			free(c->part);
			c->part = NULL;
			c->part_len = 0;
		}
		if (!answer(c, at - kept, (size_t)n + kept))
			return;
	} while (n == READ_BYTES);
	if (!c->is_registered)
		watch(c, EV_READ);
}

static void
send_owed(struct conn *c)
{
	ssize_t n = send(c->fd, c->owed + c->owed_done, c->owed_len - c->owed_done, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		conn_close(c);
		return;
	}
	c->owed_done += n > 0 ? (size_t)n : 0;
	if (c->owed_done < c->owed_len)
		return;
	free(c->owed);
	c->owed = NULL;
	if (c->is_last)
		conn_close(c);
	else
		watch(c, EV_READ);
}

static void
on_conn(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	if (what & EV_WRITE)
		send_owed(argument);
	else
		serve(argument);
}

static void
conn_open(struct worker *w, int fd)
{
	struct conn *c = w->free_conns;

	if (c)
		w->free_conns = c->next;
	else
		c = malloc(sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct conn){ .worker = w, .fd = fd };
	serve(c);
}

/* --- workers ------------------------------------------------------------------ */

static bool
take_conns(struct worker *w)
{
	uint32_t head = atomic_load_explicit(&w->head, memory_order_relaxed);
	uint32_t tail = atomic_load(&w->tail);

	if (head == tail)
		return false;
	while (head != tail)
		conn_open(w, w->ring[head++ % RING_SLOTS]);
	atomic_store_explicit(&w->head, head, memory_order_release);
	return true;
}

static void
on_wake(evutil_socket_t fd, short what, void *argument)
{
	(void)fd, (void)what, (void)argument; /* edge-triggered: never read */
}

static void *
worker_run(void *argument)
{
	struct worker *w = argument;

	for (;;) {
		bool is_more = take_conns(w);

		/* Say that we sleep, then look again: one of us sees the other. */
		atomic_store(&w->is_asleep, !is_more);
		if (!is_more)
			is_more = atomic_load(&w->tail) != atomic_load(&w->head);
		event_base_loop(w->base, EVLOOP_ONCE | (is_more ? EVLOOP_NONBLOCK : 0));
		atomic_store_explicit(&w->is_asleep, false, memory_order_relaxed);
	}
	return NULL;
}

static struct worker *
worker_start(void)
{
	struct event_config *config = event_config_new();
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (!w || !config)
		die("memory");
	memset(w, 0, offsetof(struct worker, ready));
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_init(&w->tail, 0);
	atomic_init(&w->head, 0);
	atomic_init(&w->is_asleep, false);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!w->base || w->wake_fd < 0)
		die("event base");
	event_assign(&w->wake, w->base, w->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_wake, w);
	event_add(&w->wake, NULL);
	prepare(w, time(NULL));
	if (pthread_create(&w->thread, NULL, worker_run, w) != 0)
		die("pthread_create");
	return w;
}

static void
hand_over(struct worker *w, int fd)
{
	uint32_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);
	const uint64_t one = 1;

	while (tail - atomic_load_explicit(&w->head, memory_order_acquire) >= RING_SLOTS)
		sched_yield();
	w->ring[tail % RING_SLOTS] = fd;
	atomic_store(&w->tail, tail + 1);
	if (atomic_load(&w->is_asleep) && atomic_exchange(&w->is_asleep, false) &&
	    write(w->wake_fd, &one, sizeof(one)) < 0)
		die("eventfd");
}

/* --- the acceptor -------------------------------------------------------------- */

static int
listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		die("listen");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void
on_term(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_SUCCESS);
}

int
main(int argc, char **argv)
{
	struct worker *workers[WORKERS_MAX];
	unsigned long port = 0, count = 2, next = 0;
	int option, listener;

	while ((option = getopt(argc, argv, "p:w:s:")) != -1) {
		unsigned long value = option == '?' ? 0 : strtoul(optarg, NULL, 10);

		if (option == 'p')
			port = value;
		else if (option == 'w')
			count = value;
		else if (option == 's')
			wanted_bytes = value;
	}
	if (port > UINT16_MAX || count < 1 || count > WORKERS_MAX || optind < argc) {
		fprintf(stderr, "usage: floor [-p PORT] [-w WORKERS] [-s RESPONSE-BYTES]\n");
		return EXIT_FAILURE;
	}
	signal(SIGTERM, on_term);
	signal(SIGINT, on_term);
	for (size_t i = 0; i < count; i++)
		workers[i] = worker_start();
	listener = listen_on((uint16_t)port);
	for (;;) {
		/* Blocking: one system call for a conn. EMFILE and the like pass. */
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			hand_over(workers[next++ % count], fd);
	}
}
