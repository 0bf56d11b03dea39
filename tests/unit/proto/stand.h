/*
 * For tests of proto/: a conn host on the test's own loop, a client that is
 * the other end of a socket, and an application of which every move is a
 * function of the test. What came is recorded. Time stands still but for
 * stand_wait().
 */
#ifndef FOREBAY_TESTS_PROTO_STAND_H
#define FOREBAY_TESTS_PROTO_STAND_H

#include "base/clock.h"
#include "proto/conn.h"

enum { STAND_FED_BYTES = 1 << 17, STAND_HEARD_BYTES = 1 << 22 };

struct stand {
	struct env env;
	struct counters counters;
	struct conn_host host;
	struct exchange *x; /* the one that runs, or NULL */
	int client; /* the client's end; -1 */
	uint64_t now_ns;
	struct networks *access; /* of clients behind a proxy; owned by the test */
	/* What the application does; NULL: answers "hello" at once, takes all it is fed. */
	void (*begin)(struct stand *b, struct exchange *x);
	void (*feed)(struct stand *b, struct exchange *x, struct chunks *body, bool is_last);
	void (*resume)(struct stand *b, struct exchange *x);
	/* What happened. */
	unsigned begun, feeds, lasts, resumes, cancels, endeds, empties;
	int cancel_err;
	unsigned refuseds;
	char refused[256]; /* method and target of the last, with a space between them */
	bool was_cut; /* the last that ended */
	char *fed;
	size_t fed_len;
	char *heard; /* by the client; a NUL follows */
	size_t heard_len;
	bool is_eof, is_reset;
};

/* Limits: head 10 s, body 5 s, idle 60 s, send 30 s; 1 MB of body; 16 fields of 4 KB in all. */
void stand_open(struct stand *b);
/* Closes every conn; nothing may be left. */
void stand_close(struct stand *b);

/* Sockets of this type (SOCK_STREAM, or SOCK_SEQPACKET to see each write alone) join the client to
 * a new conn. */
void stand_connect(struct stand *b, int type, uint32_t conn_flags);
/* The same over TCP. */
void stand_connect_tcp(struct stand *b, uint32_t conn_flags);
/* The client closes; with a reset over TCP when there is unread data or `is_reset`. */
void stand_hang_up(struct stand *b, bool is_reset);

/* Turns of the loop, without waiting. */
void stand_turns(struct stand *b, unsigned turns);
/* Time goes on at once, and the loop turns. */
void stand_wait(struct stand *b, uint64_t ns);

/* The client says it, all of it, and the loop turns. */
void stand_say(struct stand *b, const char *text);
void stand_say_bytes(struct stand *b, const char *bytes, size_t len);
/* Reads what is there for the client, behind what was heard before. */
void stand_hear(struct stand *b);
/* stand_hear(), and says what was heard without its Server and Date lines, once. */
const char *stand_heard(struct stand *b);

/* For applications: 200 with a length, whole. */
void stand_answer(struct exchange *x, const char *body);
/* A response head of that framing; returns what exchange_head returned. */
int stand_head(struct exchange *x, int status, enum body_framing framing, uint64_t length);
/* A piece of body, static memory; returns what exchange_body returned. */
int stand_body(struct exchange *x, const char *bytes, size_t len);

#endif
