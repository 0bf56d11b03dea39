/*
 * The keys of [access_log].
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_CONF_H
#define FOREBAY_ACCESSLOG_ACCESS_CONF_H

#include "config/key.h"

struct access_conf {
	struct slice path; /* empty: no log; stdout, stderr, or an absolute path */
	struct slice format;
	struct conf_list fields;
	uint32_t buffer_bytes;
	unsigned buffers; /* of each worker, at most */
	uint64_t flush_ns;
};

extern const struct conf_key access_keys[];

#endif
