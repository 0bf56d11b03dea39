/*
 * Patterns: what a route says about the requests it takes.
 *
 *   match = GET|POST /users/{id}/files/{path...}
 *   host  = *.example.com
 *
 * Segments are literal, {param} (one segment, never empty) or a last {rest...}
 * (all that is left, slashes included, possibly nothing). Literals are kept in
 * the form of request.path (http/uri.h: decoded once), so that `/caf%C3%A9`
 * means what a client means by it. Parsed while a site is built; then only read.
 */
#ifndef FOREBAY_ROUTE_PATTERN_H
#define FOREBAY_ROUTE_PATTERN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "http/method.h"

enum { PATTERN_SEGMENTS = 32, PATTERN_CAPTURES = 16, PATTERN_HOST_BYTES = 255 };
/* Alone in pattern.methods: any method, also one that has no row in methods.def. */
enum { PATTERN_ANY_METHOD = 1 << METHOD_OTHER };

enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAM, SEGMENT_REST };

struct segment {
	enum segment_kind kind;
	struct slice text; /* of a literal: its bytes, decoded; else the parameter's name */
};

enum host_kind { HOST_ANY, HOST_SUFFIX, HOST_EXACT };

struct pattern {
	struct slice match; /* as written, blanks cut; borrowed */
	struct slice path; /* its path, as written; borrowed */
	unsigned methods; /* bit m for enum method m; PATTERN_ANY_METHOD alone for `*` */
	enum host_kind host_kind;
	struct slice host; /* lower case; of *.example.com, ".example.com"; in the arena */
	unsigned count, captures;
	struct segment segment[PATTERN_SEGMENTS];
	struct slice capture[PATTERN_CAPTURES]; /* names, from the left */
};

/* What is wrong with a text, for a message: `why` is half a sentence, `where` the offending part.
 */
struct pattern_fault {
	const char *why;
	struct slice where;
};

/* Fills all but the host. ERR_SYNTAX with *fault set, or ERR_MEMORY. The text must outlive p. */
int pattern_parse(struct pattern *p, struct slice match, struct arena *a,
		  struct pattern_fault *fault) MUST_CHECK;
/* Fills the host: empty is any. Errors as above. */
int pattern_parse_host(struct pattern *p, struct slice host, struct arena *a,
		       struct pattern_fault *fault) MUST_CHECK;
/* Which capture is the {rest...}; -1: none. It can only be the last. */
static inline int
pattern_rest(const struct pattern *p)
{
	bool has_rest = p->count > 0 && p->segment[p->count - 1].kind == SEGMENT_REST;

	return has_rest ? (int)p->captures - 1 : -1;
}

#endif
