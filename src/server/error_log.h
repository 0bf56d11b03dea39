/*
 * The error log's target, from [log]: standard error, the journal or a file, with
 * the level. In two steps, so that a configuration is taken whole or not at all:
 *
 *   error_log_prepare (opens; may fail) -> error_log_commit | error_log_cancel
 *
 * Main thread.
 */
#ifndef FOREBAY_SERVER_ERROR_LOG_H
#define FOREBAY_SERVER_ERROR_LOG_H

#include "base/log.h"
#include "config/errors.h"
#include "server/keys.h"

struct conf;

struct error_log {
	bool is_verbose; /* -v: what the configuration says of the level is not enough */
	char *path; /* owned; of the file that is written to; NULL: it is none */
	enum log_format format;
	struct {
		struct log_conf conf;
		char *path; /* owned */
		int fd; /* owned; -1: none */
	} next; /* prepared */
};

/* Until a configuration is read: text to standard error, as systemd wants it if it is the
 * journal's. */
void error_log_init(struct error_log *l);
void error_log_fini(struct error_log *l);

/* What prepare would find wrong, without making a file; for -t. */
void error_log_check(const struct log_conf *c, const struct conf *conf, struct conf_errors *e);
/* Opens the target; what is wrong is added to e, with the line: ERR_SYNTAX. ERR_MEMORY. */
int error_log_prepare(struct error_log *l, const struct log_conf *c, const struct conf *conf,
		      struct conf_errors *e) MUST_CHECK;
/* Lines go there from now on. Cannot fail. */
void error_log_commit(struct error_log *l);
void error_log_cancel(struct error_log *l);
/* Opens a file anew, under its name; when it cannot, says so and goes on with the old one. */
void error_log_reopen(struct error_log *l);

#endif
