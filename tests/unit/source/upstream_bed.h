/*
 * A bed for tests of the upstream source: one loop, one upstream, and a server
 * whose every move is scripted by the test, on a real socket of the loopback.
 * All of it runs on the test's thread; waiting is turning the loop.
 *
 *   struct bed *b = bed_open("first_byte_timeout = 5ms", "path = /x", BED_JOINED);
 *   struct ask *a = bed_ask(b, NULL);
 *   int fd = bed_accept(b);
 *   bed_expect(b, fd, "GET /x HTTP/1.1\r\n");
 *   bed_say(b, fd, "HTTP/1.1 204 No Content\r\n\r\n");
 *   bed_await(b, a);
 */
#ifndef FOREBAY_TESTS_SOURCE_UPSTREAM_BED_H
#define FOREBAY_TESTS_SOURCE_UPSTREAM_BED_H

#include "base/address.h"
#include "net/env.h"
#include "source/subrequest.h"

enum { BED_JOINED, BED_PASSED };
enum { BED_SERVERS = 4 };

struct bed;
struct upstream_share;

/* One subrequest and what came of it. */
struct ask {
	struct subrequest q;
	struct request request; /* the client's */
	struct field fields[16];
	struct arena arena;
	struct address client;
	struct trace trace; /* of which q knows once a test says so */
	struct slice value[PART_VALUES_MAX];
	struct bed *bed;
	char *body; /* what came, of body_len bytes */
	size_t body_len;
	unsigned heads, shuts, dones, wants, bodies, fed;
	int err; /* of done */
	bool is_ended; /* done or cancelled */
	bool pauses; /* body() answers SUBREQUEST_PAUSE */
	bool cancels_in_head, cancels_in_body;
	bool discards; /* count the body, do not keep it */
};

/* `section` and `part` are lines of their configuration; the server's address is added. */
struct bed *bed_open(const char *section, const char *part, int kind);
/* Of so many workers the one with that number; one that leaves has a higher one. */
struct bed_place {
	unsigned worker, workers;
};
struct bed *bed_open_worker(const char *section, const char *part, int kind,
			    struct bed_place place);
/* With so many servers, each with a listener of its own; the part is joined. */
struct bed *bed_open_servers(const char *section, const char *part, unsigned servers);
struct bed *bed_open_servers_for(const char *section, const char *part, int kind, unsigned servers);
void bed_close(struct bed *b);
/* What loading says is wrong with these lines: one line each, "" for nothing. Static memory. */
const char *bed_complaint(const char *section, const char *part, int kind);
struct env *bed_env(struct bed *b);
struct upstream_share *bed_share(struct bed *b);
uint64_t bed_count(struct bed *b, enum counter id);
unsigned bed_port(struct bed *b);
/* Open upstream connections as the worker counts them, and subrequests admitted. */
unsigned bed_open_conns(struct bed *b);
unsigned bed_admitted(struct bed *b);

/* A subrequest that is ready to start, of a client's GET /client?q=1. */
struct ask *bed_prepare(struct bed *b);
void ask_field(struct ask *a, const char *name, const char *value);
void ask_method(struct ask *a, const char *method);
/* Reserves and starts; the result of reserve. */
int ask_start(struct ask *a);
/* Prepared and started. */
struct ask *bed_ask(struct bed *b);
/* One piece of the request's body. */
void ask_feed(struct ask *a, const char *text, bool is_last);
void ask_cancel(struct ask *a);
/* One that has ended makes room for another; sets *a to NULL. */
void bed_forget(struct bed *b, struct ask **a);
/* The body that came is exactly this. */
bool ask_has(const struct ask *a, const char *text);
const char *ask_header(const struct ask *a, const char *name); /* NULL: not there */

/* --- time ------------------------------------------------------------------ */
/* Turns until what was set going on this side has settled. */
void bed_turn(struct bed *b);
/* Turns until *value is at least `least`; fails the test after some seconds. */
void bed_until(struct bed *b, const unsigned *value, unsigned least);
/* Turns until the subrequest has ended. */
void bed_await(struct bed *b, struct ask *a);
/* From now on time stands still for the upstream: it passes in bed_pass() alone, however slow this
 * machine is. Before its first subrequest. */
void bed_freeze(struct bed *b);
/* So much time passes. */
void bed_pass(struct bed *b, unsigned ms);

/* --- the server -------------------------------------------------------------- */
int bed_accept(struct bed *b);
int bed_try_accept(struct bed *b); /* -1: nobody is there */
/* Of the server at that place. */
int bed_accept_at(struct bed *b, unsigned server);
int bed_try_accept_at(struct bed *b, unsigned server);
bool bed_has_accepted_at(struct bed *b, unsigned server);
/* Nobody listens at that place any more, until bed_return. */
void bed_leave(struct bed *b, unsigned server);
void bed_return(struct bed *b, unsigned server);
bool bed_has_accepted(struct bed *b); /* somebody connects, in a few turns */
/* Reads a head, checks that it starts so, and returns all of it (valid until the next). */
const char *bed_expect(struct bed *b, int fd, const char *start);
/* Starts it, and returns the head that comes of it, as bed_expect(); then hangs up. */
const char *bed_head_of(struct bed *b, struct ask *a);
void bed_check_head(const char *head, const char *expected);
/* Whether this is one of its lines. */
bool head_has(const char *head, const char *line);
/* Reads exactly this text. */
void bed_hear(struct bed *b, int fd, const char *text);
/* Reads until the end of the stream. */
void bed_hear_end(struct bed *b, int fd);
void bed_say(struct bed *b, int fd, const char *text);
void bed_say_bytes(struct bed *b, int fd, const char *at, size_t len);
void bed_hang_up(int fd);
void bed_reset(int fd);
/* A head that says 200 with a body of two bytes, and the body. */
void bed_say_ok(struct bed *b, int fd);

#endif
