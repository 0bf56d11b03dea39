/*
 * Settings: one limit of a pool changed in a running server, until the next
 * reload puts the file's there again.
 *
 *   main: setting_change ==> builder thread: pool_resize ==mail==> main: answers
 */
#ifndef FOREBAY_SERVER_SETTING_H
#define FOREBAY_SERVER_SETTING_H

#include "server/reload.h"

struct setting {
	struct reload *reload; /* borrowed: one of the two at a time */
	struct command *command; /* under way; NULL: none is */
	struct setting_wish {
		struct pools_entry *entry; /* borrowed from the site, which stays: no reload
					      meanwhile */
		struct pool_limits limits;
		bool is_auto; /* its threads follow the CPU budget then */
	} wish;
	struct thread thread;
	struct mail mail; /* from it */
	int outcome;
};

void setting_init(struct setting *s, struct reload *r);
/* c->name is pool.NAME.threads, .max_queue or .max_wait; c->value as it would be written in the
 * configuration. Main thread; answers c, at once or later. */
void setting_change(struct setting *s, struct command *c);
/* Waits for what is under way. Idempotent. */
void setting_stop(struct setting *s);

#endif
