/*
 * HTTP/2 on a conn (RFC 9113), by nghttp2: the library has frames, HPACK, flow
 * control and the states of streams; ours are the bytes, the exchanges, the
 * time-outs and the budget.
 *
 *   read -> frame heads charged -> nghttp2 -> marks on streams -> step: begin, feed, resume
 *                                     '-> DATA, HEADERS -> outbox -> write
 *
 * h2.c is the machine, h2_stream.c one stream and its exchange, h2_in.c the
 * library's call-backs for what comes, h2_out.c the response's way out. Only
 * conn.c calls this, through h2_protocol.
 */
#ifndef FOREBAY_PROTO_H2_H
#define FOREBAY_PROTO_H2_H

#include "proto/conn.h"

extern const struct conn_protocol h2_protocol;

/* The version of the library below, for --version. */
const char *h2_library_version(void);

#endif
