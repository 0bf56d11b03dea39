/*
 * One TLS connection: what stands between a stream and its socket. Owned by a
 * struct io, which turns to it for reading and writing; runs on that io's thread.
 *
 *   io_read  <-- records --.                       .-- one recv: all that is there
 *                           tls (SSL) <--> socket --|
 *   io_write --> records --'                       '-- one send for each record
 *
 * It reads ahead, so bytes may wait here that the socket knows nothing of: a short read
 * does not say that nothing is left, tls_is_drained() does. Idle, it holds no buffers.
 */
#ifndef FOREBAY_NET_TLS_H
#define FOREBAY_NET_TLS_H

#include "base/chunk.h"
#include "base/err.h"
#include "base/writer.h"
#include "metrics/counters.h"

struct ssl_session_st;
struct tls;
struct tls_client;
struct tls_client_hello;
struct tls_context;

enum { TLS_RECORD_BYTES = 16384 };

/* For a descriptor, which stays the caller's. Takes a user of the context of its own. NULL without
 * memory. */
struct tls *tls_open(struct tls_context *c, int fd, struct counters *counters) MUST_CHECK;
/* The client's side, which borrows `client`. */
struct tls *tls_connect(const struct tls_client *client, const struct tls_client_hello *hello,
			int fd, struct counters *counters) MUST_CHECK;
/* A session that another connection to the same server may begin with, for tls_session_free();
 * NULL: there is none. */
struct ssl_session_st *tls_session(struct tls *t);
void tls_session_free(struct ssl_session_st **session);
/* Why the handshake failed, for the log. Static memory. */
const char *tls_failure(const struct tls *t);
/* Frees it without a word to the peer. NULL is allowed; sets *t to NULL. */
void tls_close(struct tls **t);

/* 0: done; ERR_BUSY: the peer is awaited; as a client ERR_CONNECT: see tls_failure(); else
 * ERR_CLOSED: the connection broke; ERR_PROTOCOL: the peer did, and was told so if there are words
 * for it; ERR_UNSUPPORTED: it speaks plain HTTP. Counted once it is decided. */
int tls_handshake(struct tls *t) MUST_CHECK;
/* What else may become of a handshake. */
void tls_count_timeout(struct counters *counters);

/* As io_read(), io_write(), io_write_bytes(). */
long tls_read(struct tls *t, char *memory, size_t cap) MUST_CHECK;
int tls_write(struct tls *t, struct chunks *out, size_t limit) MUST_CHECK;
long tls_write_bytes(struct tls *t, struct slice s) MUST_CHECK;
/* Says that nothing more will be written (close_notify). 0: said, or there is nobody to say it to;
 * ERR_BUSY: the socket is full. */
int tls_end(struct tls *t) MUST_CHECK;
/* The stream ends in the middle: its end must not look like one. */
void tls_cut(struct tls *t);

/* Nothing more can be read until the socket is readable again. */
bool tls_is_drained(const struct tls *t);
/* The socket may hold more, whether or not an edge has told so. */
void tls_look_again(struct tls *t);
/* Hands were shaken, or bytes of the stream have come or gone, since this was asked last. */
bool tls_take_moved(struct tls *t);
/* What the events of a socket mean for its stream: enum io_ready both ways. */
unsigned tls_translate(struct tls *t, unsigned ready);

/* Appends the subject of the peer's certificate, which was verified, as RFC 2253 writes names:
 * "CN=me,O=Tests". ERR_MISSING: it has shown none; ERR_MEMORY. */
int tls_write_subject(const struct tls *t, struct writer *w) MUST_CHECK;
/* The protocol that was agreed on (ALPN); empty: none was. Borrowed. */
struct slice tls_protocol(const struct tls *t);

#endif
