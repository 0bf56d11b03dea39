/*
 * What /status shows: one look at a running server, as JSON for programs and
 * as text for people. Monitor thread.
 */
#ifndef FOREBAY_SERVER_OVERVIEW_H
#define FOREBAY_SERVER_OVERVIEW_H

#include "base/buffer.h"

struct server;

/* Append; what goes wrong is in b->err. */
void overview_write_json(struct buffer *b, const struct server *s);
void overview_write_text(struct buffer *b, const struct server *s);
/* "starting", "ready", "draining". */
const char *overview_state(const struct server *s);

#endif
