/*
 * What a module exports, believed only after a look: every name, type, width,
 * range and default is checked before the key tables that the configuration
 * works with are made of it. Builder thread, and the process that tries modules.
 */
#ifndef FOREBAY_MODULE_TABLE_H
#define FOREBAY_MODULE_TABLE_H

#include "config/key.h"

#include <forebay_module.h>

enum { TABLE_JOBS_MAX = 64, TABLE_FLOWS_MAX = 64, TABLE_PARAMS_MAX = 64, TABLE_CONF_BYTES = 4096 };

/* In the arena; the texts are the module's. */
struct table_job {
	struct forebay_job job;
	struct conf_key *keys;
};

struct table_flow {
	struct forebay_flow_type flow;
	struct conf_key *keys;
};

struct table {
	struct forebay_module module;
	struct conf_key *keys; /* of its section */
	struct table_job *jobs;
	struct table_flow *flows;
	unsigned job_count, flow_count;
};

/* Where memory comes from, and which keys are not free. */
struct table_reader {
	struct conf *conf; /* of the section; for paths among the defaults */
	struct arena *arena;
	const struct conf_key *taken; /* keys that every [module] section has */
	/* Key tables of whatever a job's keys stand beside; ends with NULL. */
	const struct conf_key *const *taken_by_parts;
};

/* `symbol` is what the module exports. Otherwise `why` says in a few words what is wrong. */
int table_read(const struct table_reader *r, const void *symbol, struct table *t,
	       struct writer *why) MUST_CHECK;
/* Keys that are templates. */
unsigned table_count_texts(const struct conf_key *keys);

#endif
