/*
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a request belongs to.
 * A request that goes on to a server continues the trace of the client's, under a parent id of our
 * own; where the client has none, or not one that can be read, a new trace begins here.
 *
 *   client                              server
 *   traceparent, valid ---------------> same trace id and flags, new parent id; tracestate
 *   none, malformed ------------------> new trace id, new parent id; never tracestate
 *
 * The fields are looked at when somebody first asks (trace_take): a request that needs no server
 * pays nothing. Pure but for the random numbers of its thread.
 */
#ifndef FOREBAY_HTTP_TRACE_H
#define FOREBAY_HTTP_TRACE_H

#include "base/err.h"
#include "base/random.h"
#include "base/writer.h"
#include "http/field.h"

enum {
	TRACE_ID_BYTES = 32, /* 16 bytes in hexadecimal */
	TRACE_STATE_BYTES = 512, /* of tracestate, as much as everybody has to pass on */
};

/* The words of `trace`. */
enum trace_mode {
	TRACE_OFF, /* the fields are like any others */
	TRACE_PROPAGATE, /* traces are continued, and none begins here */
	TRACE_MAKE,
};

/* Of the site. */
struct trace_conf {
	unsigned mode; /* enum trace_mode */
	unsigned sample; /* percent of the traces that begin here that are to be recorded */
};

enum trace_state { TRACE_UNREAD, TRACE_NONE, TRACE_CONTINUED, TRACE_BEGUN };

/* Of one exchange. */
struct trace {
	const struct trace_conf *conf; /* borrowed; NULL: as TRACE_OFF */
	enum trace_state state;
	char id[TRACE_ID_BYTES]; /* these two of TRACE_CONTINUED and TRACE_BEGUN */
	char flags[2];
};

/* Finds out which trace it is, once. False: there is none, and none is begun. */
bool trace_take(struct trace *t, const struct fields *f, struct random *r);
/* The id that is known, or that the client has sent; empty: none. Borrows from t or f. */
struct slice trace_id(const struct trace *t, const struct fields *f);
/* Whether we write traceparent and tracestate, and clients' own end here. */
static inline bool
trace_is_ours(const struct trace *t)
{
	return t && t->conf && t->conf->mode != TRACE_OFF;
}

/* After trace_take(): the value of traceparent, with a new parent id. */
void trace_write_parent(const struct trace *t, struct random *r, struct writer *w);
/* The value of tracestate: all lines of the client's as one list, which may be nothing. Entries
 * that would make it longer than TRACE_STATE_BYTES are left out: long ones first, then from the
 * end. A list that is malformed is nothing. */
void trace_write_state(const struct fields *f, struct writer *w);

/* One value of traceparent. ERR_SYNTAX: it is none. */
int trace_parse(struct slice value, struct slice *id, unsigned *flags) MUST_CHECK;

#endif
