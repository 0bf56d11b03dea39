/*
 * HTTP/1.x heads (RFC 9112): a pure codec, no I/O, no allocation. Strict: what
 * has two readings is refused, because another reader may take the other one.
 *
 * Bytes come as one run that starts at the head's first byte. A parse of an
 * unfinished head says so, or already names the error; the caller calls again
 * from the start when more has come (once per new line is enough).
 *
 * Refused, beyond the grammar: obs-fold, bare CR or LF, NUL and other controls
 * in values, blanks before the colon, Content-Length beside Transfer-Encoding,
 * Content-Length twice (equal or not) or not plain digits, any coding but
 * exactly `chunked`, chunked in HTTP/1.0, no Host or more than one in HTTP/1.1,
 * Host with bytes outside its grammar, absolute-form with userinfo, CONNECT.
 */
#ifndef FOREBAY_WIRE_H1_HEAD_H
#define FOREBAY_WIRE_H1_HEAD_H

#include "http/request.h"

struct h1_limits {
	uint32_t max_head_bytes; /* start line and fields: 431 above */
	uint32_t max_fields;     /* 431 above */
	uint32_t max_target;     /* bytes of the request target: 414 above */
};

enum h1_result { H1_DONE = 0, H1_MORE = 1 }; /* or a negative enum err */

struct h1_parse {
	size_t bytes;       /* of the head, its blank line included, when done */
	int status;         /* for a request that is refused: 400, 414, 431, 501, 505 */
	const char *reason; /* of a refusal: a constant phrase for the log */
};

/*
 * Parses a request head into *r: all but `path`, which http/uri.h derives.
 * r->fields must have room: `at` and `cap` are given by the caller, cap at
 * least limits->max_fields. One empty line before the request line is skipped
 * (RFC 9112 2.2). H1_DONE, H1_MORE, or ERR_PROTOCOL with p->status set.
 */
int h1_request_parse(struct request *r, struct slice in, const struct h1_limits *limits, struct h1_parse *p) __attribute__((warn_unused_result));

/*
 * Parses a response head that answers a `method` request. 1xx other than 101
 * are returned like any other: the caller drops them. Framing by RFC 9112 6.3.
 * H1_DONE, H1_MORE or ERR_PROTOCOL.
 */
int h1_response_parse(struct response *r, enum method method, struct slice in, const struct h1_limits *limits, struct h1_parse *p) __attribute__((warn_unused_result));

#endif
