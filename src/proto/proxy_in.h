/*
 * The first bytes of a connection that a proxy opened: its header of the PROXY
 * protocol, as a conn_protocol of its own, which ends when the header is read. Then conn.c
 * begins anew with who the header says. Only conn.c calls this; on the worker.
 *
 *   accept -> proxy_in (peek, parse, take the header alone) -> TLS handshake | h1 | h2
 *
 * The bytes are looked at where they are, in the socket, until the header is whole: nothing
 * is buffered, and what follows it is still there for OpenSSL or for HTTP.
 */
#ifndef FOREBAY_PROTO_PROXY_IN_H
#define FOREBAY_PROTO_PROXY_IN_H

#include "proto/conn.h"

extern const struct conn_protocol proxy_in_protocol;

/* What will be spoken behind the header, and with whom; takes users of its own. NULL: no TLS; and
 * anybody. */
void proxy_in_expect(void *active, struct tls_context *context, struct networks *access);
/* After advance() said CONN_NEXT_BEGIN: the same, with its user; who asks is *client, which is left
 * as it is where the header does not say. */
struct tls_context *proxy_in_finish(void *active, struct address *client);

#endif
