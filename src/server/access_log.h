/*
 * The access log as a worker has it: the outbox of its lines, and the timer after
 * which even few lines are sent. Where the exchange, its site and its parts meet
 * the log.
 */
#ifndef FOREBAY_SERVER_ACCESS_LOG_H
#define FOREBAY_SERVER_ACCESS_LOG_H

#include "accesslog/access_outbox.h"
#include "net/env.h"

struct access_writer;
struct site;

struct access_log {
	struct access_outbox outbox;
	struct timer flush;
	struct env *env; /* borrowed */
};

void access_log_init(struct access_log *l, struct env *env, struct access_writer *writer);
/* After access_log_close, or when its thread never ran. */
void access_log_fini(struct access_log *l);

/* The exchange has ended, or was refused before it began; site->access_format is not NULL. */
void access_log_take(struct access_log *l, const struct site *site, const struct exchange *x);
/* What there is goes to the writer. */
void access_log_flush(struct access_log *l);
/* The worker's last turns: everything is written and all buffers are home when it returns. */
void access_log_close(struct access_log *l);

#endif
