/*
 * What /metrics shows: Prometheus' text of a running server. Monitor thread.
 */
#ifndef FOREBAY_SERVER_METRICS_H
#define FOREBAY_SERVER_METRICS_H

#include "base/buffer.h"

struct server;

/* How long the text can get at most: it grows with routes and parts. */
size_t metrics_limit(const struct server *s);
/* Appends the text; what goes wrong is in b->err. */
void metrics_write(struct buffer *b, const struct server *s);

#endif
