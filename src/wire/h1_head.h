/*
 * HTTP/1.x heads (RFC 9112): a pure codec, no I/O, no allocation. Strict: what
 * has two readings is refused, because another reader may take the other one.
 *
 * Bytes come as one run that starts at the head's first byte. A parse of an
 * unfinished head says so, or already names the error: reading is from left to
 * right, and the first error is the verdict whether the head comes whole or in
 * pieces. The caller calls again from the start when more has come (once per
 * new line is enough, and when max_head_bytes have come).
 *
 * Refused, beyond the grammar: obs-fold, bare CR or LF, NUL and other controls
 * in values, blanks before the colon, Content-Length beside Transfer-Encoding,
 * Content-Length twice (equal or not), not plain digits or above 2^63-1, any
 * coding but exactly `chunked`, Transfer-Encoding in HTTP/1.0.
 * In requests also: no Host in HTTP/1.1, a field flagged FIELD_ONCE twice (Host
 * among them), Host outside its grammar, a target with bytes that neither
 * RFC 3986 nor browsers send (http/byte.c), absolute-form with userinfo, with
 * an empty host or a scheme but http and https, CONNECT.
 */
#ifndef FOREBAY_WIRE_H1_HEAD_H
#define FOREBAY_WIRE_H1_HEAD_H

#include "http/request.h"

struct h1_limits {
	uint32_t max_head_bytes; /* start line and fields: 431 above */
	uint32_t max_fields; /* 431 above */
	uint32_t max_target; /* bytes of the request target: 414 above */
};

enum h1_result { H1_DONE = 0, H1_MORE = 1 }; /* or a negative enum err */

struct h1_parse {
	size_t bytes; /* of the head, its blank line included, when done */
	int status; /* of a refusal, see below; 502 for a response */
	const char *reason; /* of a refusal: a constant phrase for the log */
};

/*
 * Parses a request head into *r: all but `path`, which is left empty and which
 * uri_path_decode() makes of raw_path. r->fields must have room: `at` and `cap`
 * are given by the caller; more than the smaller of cap and max_fields is 431.
 * One empty line before the request line is skipped (RFC 9112 2.2).
 * expects_continue is set only if there is a body to wait for.
 *
 * H1_DONE, H1_MORE, or ERR_PROTOCOL with p->status set:
 *   400 malformed           417 an Expect other than 100-continue
 *   414 target too long     431 head too large, too many fields
 *   501 CONNECT; a transfer coding that is one token but not chunked (a list
 *       or anything else is 400: its framing is in doubt)
 *   505 a well-formed version other than 1.0 and 1.1
 * After each of them the connection must close: where the next request starts
 * is not known.
 */
int h1_request_parse(struct request *r, struct slice in, const struct h1_limits *limits,
		     struct h1_parse *p) __attribute__((warn_unused_result));

/*
 * Parses a response head that answers a `method` request. 1xx other than 101
 * are returned like any other: the caller drops them. Framing by RFC 9112 6.3;
 * HEAD, 1xx, 204 and 304 have BODY_NONE, and then content_length is what the
 * field said (of HEAD and 304). keeps_alive is false for BODY_UNTIL_CLOSE and
 * 101. Also refused: a status outside 100 to 599; Transfer-Encoding or a
 * length but 0 in 1xx and 204. A missing space after the status is let pass.
 * H1_DONE, H1_MORE or ERR_PROTOCOL.
 */
int h1_response_parse(struct response *r, enum method method, struct slice in,
		      const struct h1_limits *limits, struct h1_parse *p)
    __attribute__((warn_unused_result));

#endif
