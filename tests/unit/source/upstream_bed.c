/*
 * The bed of the upstream's tests; see upstream_bed.h.
 */
#include "upstream_bed.h"

#include "base/clock.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const struct source_ops source_upstream;

enum { ASKS = 64, HEARD = 1 << 16, PATIENCE_S = 60, SETTLE = 12 };

struct bed {
	struct env env;
	struct counters counters;
	void *attached[1];
	struct lease lease;
	struct conf_errors errors;
	struct conf *conf;
	struct store site_store;
	struct arena site;
	struct source source;
	struct part part;
	int listeners[BED_SERVERS];
	unsigned ports[BED_SERVERS], servers;
	struct ask *asks[ASKS];
	unsigned ask_count;
	char heard[HEARD + 1];
	uint64_t frozen_ns; /* what the clock says; 0: it goes */
};

/* --- up-calls ------------------------------------------------------------------ */

static void
on_head(struct subrequest *q)
{
	struct ask *a = CONTAINER_OF(q, struct ask, q);

	a->heads++;
	if (a->cancels_in_head)
		ask_cancel(a);
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	struct ask *a = CONTAINER_OF(q, struct ask, q);

	a->bodies++;
	if (!a->discards) {
		a->body = mem_grow(a->body, a->body_len + list->bytes + 1);
		chunks_copy_out(list, a->body + a->body_len, list->bytes);
	}
	a->body_len += list->bytes;
	chunks_clear(list);
	if (a->cancels_in_body)
		ask_cancel(a);
	return a->pauses ? SUBREQUEST_PAUSE : 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct ask *a = CONTAINER_OF(q, struct ask, q);

	ck_assert(!a->is_ended);
	a->dones++;
	a->err = err;
	a->is_ended = true;
}

static void
on_shut(struct subrequest *q)
{
	CONTAINER_OF(q, struct ask, q)->shuts++;
}

static void
on_want_body(struct subrequest *q)
{
	CONTAINER_OF(q, struct ask, q)->wants++;
}

static const struct subrequest_ops ups = {
	.head = on_head,
	.body = on_body,
	.shut = on_shut,
	.done = on_done,
	.want_body = on_want_body,
};

/* --- the bed --------------------------------------------------------------------- */

/* On any port at first, then on the same. */
static void
listen_at(struct bed *b, unsigned i)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)b->ports[i]),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	b->listeners[i] = fd;
	b->ports[i] = ntohs(at.sin_port);
}

/* What is wrong stands in b->errors. */
static void
load(struct bed *b, const char *text)
{
	struct source_build build = { .arena = &b->site, .errors = &b->errors };
	const struct source_ops *ops = &source_upstream;
	struct conf_table s, p;

	conf_errors_init(&b->errors);
	b->conf = conf_read(slice_of(text), "f", &b->errors);
	ck_assert_ptr_nonnull(b->conf);
	b->source = (struct source){ .ops = ops, .name = SLICE("u") };
	b->source.conf = arena_zalloc(&b->site, 1, ops->section_size);
	b->part.source = &b->source;
	b->part.conf = arena_zalloc(&b->site, 1, ops->part_size);
	b->source.section = conf_find(b->conf, SLICE("upstream"), SLICE("u"));
	b->part.section = conf_find(b->conf, SLICE("route"), SLICE("u"));
	s = (struct conf_table){ ops->section_keys, b->source.conf };
	p = (struct conf_table){ ops->part_keys, b->part.conf };
	if (conf_fill(b->source.section, &s, 1, &b->errors) == 0)
		ck_assert_int_le(ops->load(&b->source, &build), 0);
	if (conf_fill(b->part.section, &p, 1, &b->errors) == 0)
		ck_assert_int_le(ops->load_part(&b->part, &build), 0);
}

const char *
bed_complaint(const char *section, const char *part, int kind)
{
	static _Thread_local char said[8192];
	struct bed *b = mem_zalloc(1, sizeof(*b));
	struct writer w = writer_over(said, sizeof(said) - 1);
	char text[4096];

	ck_assert_ptr_nonnull(b);
	snprintf(text, sizeof(text), "[upstream u]\n%s\n[route u]\n%s\n", section, part);
	store_init(&b->site_store);
	arena_init(&b->site, &b->site_store, 1 << 20);
	b->part.passes_through = kind == BED_PASSED;
	load(b, text);
	conf_errors_write(&b->errors, &w);
	said[w.len] = '\0';
	if (b->source.state)
		source_upstream.unload(&b->source);
	conf_free(&b->conf);
	conf_errors_fini(&b->errors);
	arena_fini(&b->site);
	store_fini(&b->site_store);
	mem_free(&b);
	return said;
}

static struct bed *
open_bed(const char *section, const char *part, int kind, struct bed_place place, unsigned servers)
{
	struct bed *b = mem_zalloc(1, sizeof(*b));
	char text[4096], list[256] = "";

	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(loop_init(&b->env.loop, b), 0);
	store_init(&b->env.store);
	store_init(&b->site_store);
	arena_init(&b->site, &b->site_store, 1 << 20);
	random_init(&b->env.random, 1);
	b->env.counters = &b->counters;
	b->lease = (struct lease){
		.env = &b->env,
		.worker = place.worker,
		.workers = place.workers,
		.attached = b->attached,
	};
	b->part.passes_through = kind == BED_PASSED;
	b->servers = servers;
	for (unsigned i = 0; i < servers; i++) {
		size_t len = strlen(list);

		listen_at(b, i);
		snprintf(list + len, sizeof(list) - len, "%s http://127.0.0.1:%u", i ? "," : "",
			 b->ports[i]);
	}
	snprintf(text, sizeof(text), "[upstream u]\n%s%s\n%s\n[route u]\n%s\n",
		 strstr(section, "servers") ? "# " : "servers =", list, section, part);
	load(b, text);
	ck_assert_uint_eq(b->errors.errors, 0);
	ck_assert_int_eq(source_upstream.attach(&b->source, &b->lease), 0);
	return b;
}

struct bed *
bed_open_worker(const char *section, const char *part, int kind, struct bed_place place)
{
	return open_bed(section, part, kind, place, 1);
}

struct bed *
bed_open_servers_for(const char *section, const char *part, int kind, unsigned servers)
{
	return open_bed(section, part, kind, (struct bed_place){ 0, 1 }, servers);
}

struct bed *
bed_open_servers(const char *section, const char *part, unsigned servers)
{
	return bed_open_servers_for(section, part, BED_JOINED, servers);
}

struct bed *
bed_open(const char *section, const char *part, int kind)
{
	return bed_open_worker(section, part, kind, (struct bed_place){ 0, 1 });
}

static void
free_ask(struct ask **a)
{
	ask_cancel(*a);
	arena_fini(&(*a)->arena);
	mem_free(&(*a)->body);
	mem_free(a);
}

void
bed_forget(struct bed *b, struct ask **a)
{
	unsigned i = 0;

	ck_assert((*a)->is_ended);
	while (b->asks[i] != *a)
		i++;
	b->asks[i] = b->asks[--b->ask_count];
	free_ask(a);
}

void
bed_close(struct bed *b)
{
	for (unsigned i = 0; i < b->ask_count; i++)
		free_ask(&b->asks[i]);
	source_upstream.detach(&b->source, &b->lease);
	bed_turn(b);
	source_upstream.unload(&b->source);
	ck_assert_uint_eq(b->env.loop.timers.count, 0);
	for (unsigned i = 0; i < b->servers; i++)
		bed_leave(b, i);
	loop_fini(&b->env.loop);
	ck_assert_uint_eq(b->env.store.out, 0);
	store_fini(&b->env.store);
	conf_free(&b->conf);
	conf_errors_fini(&b->errors);
	arena_fini(&b->site);
	store_fini(&b->site_store);
	mem_free(&b);
}

struct upstream_share *
bed_share(struct bed *b)
{
	return b->attached[0];
}

struct env *
bed_env(struct bed *b)
{
	return &b->env;
}

uint64_t
bed_count(struct bed *b, enum counter id)
{
	return count_read(&b->counters, id);
}

unsigned
bed_port(struct bed *b)
{
	return b->ports[0];
}

unsigned
bed_open_conns(struct bed *b)
{
	return bed_share(b)->open;
}

unsigned
bed_admitted(struct bed *b)
{
	return bed_share(b)->admitted;
}

/* --- subrequests -------------------------------------------------------------------- */

struct ask *
bed_prepare(struct bed *b)
{
	struct ask *a = mem_zalloc(1, sizeof(*a));

	ck_assert_ptr_nonnull(a);
	ck_assert_uint_lt(b->ask_count, ASKS);
	b->asks[b->ask_count++] = a;
	a->bed = b;
	arena_init(&a->arena, &b->env.store, 1 << 20);
	a->request.version = HTTP_1_1;
	a->request.raw_path = a->request.path = SLICE("/client");
	a->request.query = SLICE("q=1");
	a->request.has_query = true;
	a->request.target = SLICE("/client?q=1");
	a->request.authority = SLICE("front.example");
	a->request.fields = (struct fields){ .at = a->fields, .cap = 16 };
	ask_method(a, "GET");
	ck_assert_int_eq(address_parse(&a->client, SLICE("192.0.2.7:4711")), 0);
	for (unsigned i = 0; i < b->part.values; i++)
		a->value[i] = b->part.value[i].text;
	a->q = (struct subrequest){
		.part = &b->part,
		.up = &ups,
		.env = &b->env,
		.lease = &b->lease,
		.arena = &a->arena,
		.request = &a->request,
		.client = &a->client,
		.near = &a->client,
		.scheme = SLICE("http"),
		.value = a->value,
		.request_id = SLICE("id-1"),
		.deadline_ns = CLOCK_NEVER,
	};
	return a;
}

void
ask_field(struct ask *a, const char *name, const char *value)
{
	ck_assert_int_eq(fields_add_name(&a->request.fields, slice_of(name), slice_of(value)), 0);
}

void
ask_method(struct ask *a, const char *method)
{
	a->request.method_name = slice_of(method);
	a->request.method = method_of(a->request.method_name);
}

int
ask_start(struct ask *a)
{
	struct subrequest *q = &a->q;
	int err = source_upstream.reserve(&q, 1);

	if (err) {
		a->is_ended = true;
		return err;
	}
	q->state_now = SUBREQUEST_STARTED;
	source_upstream.start(q);
	ck_assert(!a->is_ended);
	return 0;
}

struct ask *
bed_ask(struct bed *b)
{
	struct ask *a = bed_prepare(b);

	ck_assert_int_eq(ask_start(a), 0);
	return a;
}

void
ask_feed(struct ask *a, const char *text, bool is_last)
{
	struct chunks list;

	a->fed++;
	chunks_init(&list, &a->bed->env.store);
	ck_assert_int_eq(chunks_add_copy(&list, slice_of(text)), 0);
	source_upstream.feed(&a->q, &list, is_last);
	ck_assert(chunks_is_empty(&list));
	ck_assert(!a->is_ended);
}

void
ask_cancel(struct ask *a)
{
	if (a->is_ended)
		return;
	a->is_ended = true;
	subrequest_cancel(&a->q);
}

bool
ask_has(const struct ask *a, const char *text)
{
	return slice_eq(slice_make(a->body, a->body_len), slice_of(text));
}

const char *
ask_header(const struct ask *a, const char *name)
{
	static _Thread_local char text[1024];
	const struct field *f = fields_find_name(&a->q.response.fields, slice_of(name));

	if (!f)
		return NULL;
	snprintf(text, sizeof(text), "%.*s", SLICE_PRINT(f->value));
	return text;
}

/* --- time ------------------------------------------------------------------------------ */

static uint64_t
patience(void)
{
	return clock_monotonic() + PATIENCE_S * CLOCK_SEC;
}

static void
turn_once(struct bed *b)
{
	struct loop *l = &b->env.loop;

	if (!b->frozen_ns) {
		loop_turn(l, false);
		return;
	}
	l->now_ns = b->frozen_ns;
	event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop_turn_at(l, b->frozen_ns);
}

static void
turn(struct bed *b, uint64_t until)
{
	turn_once(b);
	ck_assert_msg(clock_monotonic() < until, "what the test waits for does not come");
}

void
bed_turn(struct bed *b)
{
	for (unsigned i = 0; i < SETTLE; i++)
		turn_once(b);
}

void
bed_until(struct bed *b, const unsigned *value, unsigned least)
{
	uint64_t until = patience();

	while (*value < least)
		turn(b, until);
}

void
bed_await(struct bed *b, struct ask *a)
{
	uint64_t until = patience();

	while (!a->is_ended)
		turn(b, until);
}

void
bed_freeze(struct bed *b)
{
	b->frozen_ns = b->env.loop.now_ns = clock_monotonic();
}

void
bed_pass(struct bed *b, unsigned ms)
{
	uint64_t until = clock_monotonic() + ms * CLOCK_MS;

	if (b->frozen_ns)
		b->frozen_ns += ms * CLOCK_MS;
	while (!b->frozen_ns && clock_monotonic() < until)
		turn_once(b);
	bed_turn(b);
}

/* --- the server --------------------------------------------------------------------------- */

int
bed_try_accept_at(struct bed *b, unsigned server)
{
	return accept4(b->listeners[server], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int
bed_try_accept(struct bed *b)
{
	return bed_try_accept_at(b, 0);
}

int
bed_accept_at(struct bed *b, unsigned server)
{
	uint64_t until = patience();
	int fd = bed_try_accept_at(b, server);

	while (fd < 0) {
		turn(b, until);
		fd = bed_try_accept_at(b, server);
	}
	return fd;
}

int
bed_accept(struct bed *b)
{
	return bed_accept_at(b, 0);
}

bool
bed_has_accepted_at(struct bed *b, unsigned server)
{
	int fd;

	bed_turn(b);
	fd = bed_try_accept_at(b, server);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
bed_has_accepted(struct bed *b)
{
	return bed_has_accepted_at(b, 0);
}

void
bed_leave(struct bed *b, unsigned server)
{
	if (b->listeners[server] >= 0)
		close(b->listeners[server]);
	b->listeners[server] = -1;
}

void
bed_return(struct bed *b, unsigned server)
{
	listen_at(b, server);
}

/* At least one byte, turning until it is there; 0 at the end of the stream. */
static size_t
hear(struct bed *b, int fd, char *at, size_t cap)
{
	uint64_t until = patience();
	ssize_t n = recv(fd, at, cap, 0);

	while (n < 0 && errno == EAGAIN) {
		turn(b, until);
		n = recv(fd, at, cap, 0);
	}
	return n > 0 ? (size_t)n : 0;
}

const char *
bed_expect(struct bed *b, int fd, const char *start)
{
	size_t len = 0;

	do {
		ck_assert_uint_lt(len, HEARD);
		ck_assert_msg(hear(b, fd, &b->heard[len], 1), "the stream ended in a head");
		b->heard[++len] = '\0';
	} while (len < 4 || memcmp(b->heard + len - 4, "\r\n\r\n", 4) != 0);
	ck_assert_msg(strncmp(b->heard, start, strlen(start)) == 0, "not \"%s\" but \"%s\"", start,
		      b->heard);
	return b->heard;
}

const char *
bed_head_of(struct bed *b, struct ask *a)
{
	int fd;
	const char *head;

	ck_assert_int_eq(ask_start(a), 0);
	fd = bed_accept(b);
	head = bed_expect(b, fd, "");
	bed_hang_up(fd);
	return head;
}

void
bed_check_head(const char *head, const char *expected)
{
	ck_assert_msg(strcmp(head, expected) == 0, "not \"%s\" but \"%s\"", expected, head);
}

bool
head_has(const char *head, const char *line)
{
	char text[512];

	snprintf(text, sizeof(text), "\r\n%s\r\n", line);
	return strstr(head, text) != NULL;
}

void
bed_hear(struct bed *b, int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = hear(b, fd, b->heard, left < HEARD ? left : HEARD);

		ck_assert_msg(n > 0, "the stream ended before \"%s\"", text);
		ck_assert_msg(memcmp(b->heard, text, n) == 0, "not \"%s\"", text);
		text += n;
		left -= n;
	}
}

void
bed_hear_end(struct bed *b, int fd)
{
	char byte;

	ck_assert_uint_eq(hear(b, fd, &byte, 1), 0);
}

void
bed_say_bytes(struct bed *b, int fd, const char *at, size_t len)
{
	uint64_t until = patience();

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			turn(b, until);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
	bed_turn(b);
}

void
bed_say(struct bed *b, int fd, const char *text)
{
	bed_say_bytes(b, fd, text, strlen(text));
}

void
bed_hang_up(int fd)
{
	close(fd);
}

void
bed_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void
bed_say_ok(struct bed *b, int fd)
{
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}
