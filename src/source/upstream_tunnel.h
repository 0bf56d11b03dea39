/*
 * For the files of the upstream source: a client's Upgrade, and the connection
 * after a 101, a tunnel; see upstream_tunnel.c. On the worker that owns the share.
 */
#ifndef FOREBAY_SOURCE_UPSTREAM_TUNNEL_H
#define FOREBAY_SOURCE_UPSTREAM_TUNNEL_H

#include "source/upstream_priv.h"

/* Of the keys `upgrade`. ERR_SYNTAX: told. */
int upstream_tunnel_check(struct part *p, struct source_build *b) MUST_CHECK;
/* The client asks for another protocol that the part lets it have. */
bool upstream_tunnel_is_asked(const struct subrequest *q);
/* The protocols that it asks for and may have, as a list. */
void upstream_tunnel_write(const struct subrequest *q, struct writer *w);
/* What is wrong with a 101, or NULL. */
const char *upstream_tunnel_refusal(const struct upstream_conn *c,
				    const struct response *r) MUST_CHECK;
/* After a right one, whose fields are in q->response: the conn is a tunnel. ERR_MEMORY. */
int upstream_tunnel_begin(struct upstream_conn *c, const struct response *r) MUST_CHECK;
/* All that the client sends is written: so says our FIN. */
void upstream_tunnel_finish_sending(struct upstream_conn *c);
/* The server's FIN. */
void upstream_tunnel_finish_reading(struct upstream_conn *c);
/* A reset that nobody reads: the tunnel is paused, or its other direction has ended. */
bool upstream_tunnel_is_reset(const struct upstream_conn *c);
/* When nothing has moved for too long. */
uint64_t upstream_tunnel_expiry(const struct upstream_conn *c);
/* It is about to be closed. */
void upstream_tunnel_close(struct upstream_conn *c);

#endif
