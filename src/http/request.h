/*
 * A request as both halves of the server see it, whatever the protocol
 * version: proto/ fills it, everything above reads it. All slices borrow from
 * the exchange (its blocks or its arena) and live as long as it does.
 */
#ifndef FOREBAY_HTTP_REQUEST_H
#define FOREBAY_HTTP_REQUEST_H

#include "http/field.h"
#include "http/method.h"

enum { HTTP_1_0 = 10, HTTP_1_1 = 11, HTTP_2 = 20 };

/* How the body's end is known (RFC 9112 6.3). */
enum body_framing { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct request {
	enum method method;
	struct slice method_name; /* as sent; methods are case-sensitive */
	int version; /* HTTP_1_0 ... */
	struct slice target; /* as sent */
	struct slice authority; /* from the target in absolute-form, else from Host; may be empty */
	struct slice raw_path; /* the target's path as sent, without query; "*" for OPTIONS * */
	struct slice path; /* decoded once, dot segments resolved; starts with '/' */
	struct slice query; /* raw, without '?' */
	bool has_query;
	struct fields fields;
	enum body_framing framing;
	uint64_t content_length; /* when framing is BODY_LENGTH */
	bool expects_continue; /* Expect: 100-continue */
	struct fields trailers; /* behind a body that is complete; those that may go on */
	bool keeps_alive; /* what the client asked for, version default included */
};

/* The same without its body, all of it in the arena: for work that may outlive its exchange.
 * ERR_MEMORY. */
int request_copy(struct request *to, const struct request *from, struct arena *a)
    __attribute__((warn_unused_result));

/* A response head: what a source says, what an upstream said, what is sent. */
struct response {
	int status;
	struct fields fields;
	enum body_framing framing;
	uint64_t content_length; /* when framing is BODY_LENGTH */
	struct fields trailers; /* before the end of a body without a length; may be added late */
	bool keeps_alive; /* of an upstream's response */
};

#endif
