/*
 * The upstream as a whole: its keys, which wrong ones are refused in which words;
 * and that every subrequest ends once, whatever servers and clients do.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include <check.h>
#include <stdio.h>
#include <sys/socket.h>

Suite *suite_source_upstream(void);

#define SERVER "servers = http://127.0.0.1:1\n"

static const struct complaint {
	const char *section, *part;
	int kind;
	const char *said; /* all of it */
} complaints[] = {
	{ SERVER, "", BED_JOINED, "" },
	{ SERVER,
	  "path = /a/{id}\nquery = b={c}&d\nmethod = PATCH\nbody = {body}\n"
	  "forward = cookie\nheader.x = {id}\nhost = client",
	  BED_JOINED, "" },
	{ SERVER "max_connections = 0", "", BED_JOINED, "f:3: [upstream u] max_connections: " },
	{ SERVER "retrys = 1", "", BED_JOINED, "f:3: [upstream u] retrys: " },
	{ "connect_timeout = 1s", "", BED_JOINED, "f:1: [upstream u] servers: " },
	{ SERVER, "path = a", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "path = /a?b", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "path = /a b", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "query = a#b", BED_JOINED, "f:5: [route u] query: query holds no blank" },
	{ SERVER, "method = CONNECT", BED_JOINED, "f:5: [route u] method: method is the name" },
	{ SERVER, "method = A B", BED_JOINED, "f:5: [route u] method: method is the name" },
	{ SERVER, "forward = cookie", BED_PASSED, "f:5: [route u] forward: forward is for joined" },
	{ SERVER, "forward = transfer-encoding", BED_JOINED,
	  "f:5: [route u] forward: \"transfer-encoding\" is a field that each connection" },
	{ SERVER, "forward = host", BED_JOINED, "f:5: [route u] forward: \"host\" is set by" },
	{ SERVER, "header.content-length = 1", BED_JOINED,
	  "f:5: [route u] header.content-length: \"content-length\" is a field that each" },
	{ SERVER, "host = mine", BED_JOINED, "f:5: [route u] host: " },
};

enum { COMPLAINTS = sizeof(complaints) / sizeof(complaints[0]) };

START_TEST(a_wrong_key_is_named_with_its_line)
{
	const struct complaint *c = &complaints[_i];
	const char *said = bed_complaint(c->section, c->part, c->kind);

	ck_assert_msg(strncmp(said, c->said, strlen(c->said)) == 0, "not \"%s\" but \"%s\"",
		      c->said, said);
	ck_assert_msg(*c->said || !*said, "\"%s\"", said);
}
END_TEST

/* --- whatever happens --------------------------------------------------------------- */

enum { STORM_CONNS = 16, STORM_ASKS = 48 };

/* Both sides at random: what servers say in pieces, and how they end. */
struct storm {
	struct bed *b;
	struct random random;
	int fds[STORM_CONNS];
	struct ask *asks[STORM_ASKS];
	unsigned started, refused, servers;
};

static unsigned
any(struct storm *s, unsigned below)
{
	return (unsigned)random_below(&s->random, below);
}

static void
serve_at_random(struct storm *s)
{
	static const char *const texts[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"ngth: 2\r\n\r\no",
		"k",
		"nonsense\r\n\r\n",
		"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno",
	};
	int *fd = &s->fds[any(s, STORM_CONNS)];
	const char *text = texts[any(s, 10)];
	char drain[4096];

	if (*fd < 0) {
		*fd = bed_try_accept_at(s->b, any(s, s->servers));
		return;
	}
	while (recv(*fd, drain, sizeof(drain), 0) > 0)
		;
	if (any(s, 8) == 0) {
		if (any(s, 2))
			bed_reset(*fd);
		else
			bed_hang_up(*fd);
		*fd = -1;
		return;
	}
	/* Nothing, a part, or all of it: the socket may be closed already. */
	if (send(*fd, text, any(s, 4) ? strlen(text) : any(s, 20) % strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

static void
ask_at_random(struct storm *s)
{
	struct ask *a;

	if (s->started == STORM_ASKS)
		return;
	a = s->asks[s->started++] = bed_prepare(s->b);
	if (any(s, 3) == 0) {
		ask_method(a, "POST");
		a->q.has_body = true;
	}
	a->pauses = any(s, 4) == 0;
	a->cancels_in_head = any(s, 10) == 0;
	a->cancels_in_body = any(s, 10) == 0;
	if (any(s, 4) == 0)
		a->q.deadline_ns = clock_monotonic() + any(s, 2000) * CLOCK_US;
	s->refused += ask_start(a) != 0;
}

static void
disturb_at_random(struct storm *s)
{
	struct ask *a = s->started ? s->asks[any(s, s->started)] : NULL;

	if (!a || a->is_ended)
		return;
	if (any(s, 6) == 0)
		ask_cancel(a);
	else if (a->fed < a->wants)
		ask_feed(a, any(s, 2) ? "abc" : "", any(s, 3) == 0);
	else if (a->pauses && a->bodies > 0) {
		a->pauses = false;
		a->q.part->source->ops->resume(&a->q);
	}
}

#define STORM_LIMITS                                                                               \
	"max_connections = 4\nmax_pending = 8\nread_idle_timeout = 3ms\nfirst_byte_timeout = "     \
	"3ms\n"
#define STORM_CARE                                                                                 \
	"retries = 3\nretry_budget = 100%%\nretry_on = connect, closed, timeout, 502, 503, 504\n"  \
	"eject_after = 2\neject_for = 1ms\nbreaker_error_rate = 50%%\nbreaker_min_requests = 5\n"  \
	"breaker_open_for = 1ms\nhealth_path = /\nhealth_interval = 10ms\nhealth_timeout = 3ms\n"

static const char *const balances[] = { "round-robin", "least-requests", "p2c", "hash" };

/* The first half with one server alone, the second with all that is done for several. */
static void
open_storm(struct storm *s, int i)
{
	const char *way = balances[i % 4], *key = i % 4 == 3 ? "hash_key = {id}" : "";
	char section[512];

	s->servers = i < 40 ? 1 : 3;
	snprintf(section, sizeof(section), STORM_LIMITS STORM_CARE "balance = %s", way);
	s->b = bed_open_servers_for(i < 40 ? STORM_LIMITS : section, i < 40 ? "" : key, BED_PASSED,
				    s->servers);
}

START_TEST(whatever_happens_each_subrequest_ends_once)
{
	struct storm s = { .started = 0 };

	open_storm(&s, _i);
	random_init(&s.random, (uint64_t)_i);
	for (unsigned i = 0; i < STORM_CONNS; i++)
		s.fds[i] = -1;
	for (unsigned i = 0; i < 1500; i++) {
		switch (any(&s, 4)) {
		case 0:
			ask_at_random(&s);
			break;
		case 1:
			disturb_at_random(&s);
			break;
		case 2:
			serve_at_random(&s);
			break;
		default:
			loop_turn(&bed_env(s.b)->loop, false);
		}
		ck_assert_uint_le(bed_open_conns(s.b), 4);
		ck_assert_uint_le(bed_admitted(s.b), 12);
	}
	for (unsigned i = 0; i < s.started; i++) {
		ask_cancel(s.asks[i]);
		ck_assert_uint_le(s.asks[i]->dones, 1);
		ck_assert_uint_le(s.asks[i]->heads, 1);
	}
	ck_assert_uint_eq(bed_admitted(s.b), 0);
	for (unsigned i = 0; i < STORM_CONNS; i++) {
		if (s.fds[i] >= 0)
			bed_hang_up(s.fds[i]);
	}
	bed_close(s.b);
}
END_TEST

Suite *
suite_source_upstream(void)
{
	Suite *s = suite_create("source_upstream");
	TCase *t = tcase_create("keys");

	tcase_add_loop_test(t, a_wrong_key_is_named_with_its_line, 0, COMPLAINTS);
	tcase_add_loop_test(t, whatever_happens_each_subrequest_ends_once, 0, 80);
	suite_add_tcase(s, t);
	return s;
}
