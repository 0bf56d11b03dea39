/*
 * The key table of [access_log]; see access_conf.h.
 */
#include "accesslog/access_conf.h"

static const char *const streams[] = { "stdout", "stderr", NULL };

const struct conf_key access_keys[] = {
	{ "path", CONF_PATH, CONF_FIELD(struct access_conf, path), .words = streams,
	  .help = "where lines go; without it there is no access log" },
	{ "format", CONF_TEXT, CONF_FIELD(struct access_conf, format), .def = "combined",
	  .help = "what a line is: combined, json, or a text with {fields}" },
	{ "fields", CONF_LIST, CONF_FIELD(struct access_conf, fields),
	  .help = "of format = json: which members a line has" },
	{ "buffer", CONF_SIZE, CONF_FIELD(struct access_conf, buffer_bytes), .def = "64k",
	  .min = 4096, .max = 16 << 20, .help = "lines that a worker gathers for one write" },
	{ "buffers", CONF_UINT, CONF_FIELD(struct access_conf, buffers), .def = "32", .min = 2,
	  .max = 4096,
	  .help = "of each worker; when all wait for the disk, lines are dropped and counted" },
	{ "flush", CONF_DURATION, CONF_FIELD(struct access_conf, flush_ns), .def = "1s",
	  .min = INT64_C(1000000), .max = INT64_C(3600000000000),
	  .help = "the longest that a line waits for others" },
	CONF_KEYS_END
};
