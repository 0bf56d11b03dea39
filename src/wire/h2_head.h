/*
 * Heads in HTTP/2's form (RFC 9113 8.3), field by field, to the same structs
 * that HTTP/1 makes, by the same rules: requests of clients, responses of
 * upstreams. A pure codec, no I/O. HPACK and the order of pseudo-fields are the
 * caller's (nghttp2's) matter; what is here is what both versions have to agree
 * upon before anybody else sees it.
 *
 * Everything that stays is copied to the arena.
 */
#ifndef FOREBAY_WIRE_H2_HEAD_H
#define FOREBAY_WIRE_H2_HEAD_H

#include "base/arena.h"
#include "wire/h1_head.h"

struct h2_head {
	struct request *request; /* borrowed: filled; one of both */
	struct response *response;
	struct fields *fields; /* of it */
	struct arena *arena; /* borrowed */
	const struct h1_limits *limits; /* borrowed until the end */
	struct slice scheme, authority, host;
	uint64_t seen[(FIELD_COUNT + 63) / 64]; /* fields that came and may come once */
	uint64_t length; /* Content-Length */
	bool has_length, has_authority;
	unsigned cookies; /* lines of it, which is one field cut in pieces (RFC 9113 8.2.3) */
	size_t bytes; /* as RFC 9113 6.5.2 counts them */
	int status; /* of a refusal; 0: none so far */
	const char *reason; /* of a refusal: a constant phrase for the log */
};

/* `request` is made empty. */
void h2_head_begin(struct h2_head *h, struct request *request, struct arena *arena,
		   const struct h1_limits *limits);
/* Takes a field, a pseudo-field too. What is wrong with it sets status, and nothing is taken any
 * more. ERR_MEMORY: this and what follows is lost. */
int h2_head_add(struct h2_head *h, struct slice name, struct slice value)
    __attribute__((warn_unused_result));
/*
 * The head is complete. 0, or ERR_PROTOCOL with status and reason: 400, 414, 417, 431 and 501 as
 * h1_request_parse() has them, 503 without memory. Method and target are set then too, if they
 * came.
 */
int h2_head_end(struct h2_head *h, bool has_body) __attribute__((warn_unused_result));

/* The same of a response, which is made empty. What is wrong with it is 502. */
void h2_head_begin_response(struct h2_head *h, struct response *response, struct arena *arena,
			    const struct h1_limits *limits);
/*
 * It answers a `method` request; framing as h1_response_parse() has it, and BODY_LENGTH of 0 where
 * the head is all there is. 0, or ERR_PROTOCOL with status and reason; also for 101, and a length
 * but 0 in 1xx and 204, as that one has it.
 */
int h2_head_end_response(struct h2_head *h, enum method method, bool has_body)
    __attribute__((warn_unused_result));

#endif
