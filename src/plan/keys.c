/*
 * The keys of routes and parts that are the plan's own; sources bring theirs.
 */
#include "plan/plan.h"

#include "base/clock.h"
#include "plan/pond.h"

static const char *const joins[] = { "object", "array", "concat", "first", "template", NULL };
static const char *const failures[] = { "partial", "all-or-nothing", NULL };
static const char *const reports[] = { "header", "body", "off", NULL };
static const char *const priorities[] = { "critical", "normal", "sheddable", NULL };
static const char *const forms[] = { "auto", "json", "text", "base64", NULL };

const struct conf_key plan_keys[] = {
	{ "deadline", CONF_DURATION, CONF_FIELD(struct plan_conf, deadline), .def = "30s",
	  .min = (int64_t)CLOCK_MS,
	  .help = "longest time for an answer; stands still while the client sends its body" },
	{ "priority", CONF_WORD, CONF_FIELD(struct plan_conf, priority), .def = "normal",
	  .words = priorities,
	  .help = "whose jobs a pool takes first, and refuses last when there are too many" },
	{ "fairness", CONF_TEMPLATE, CONF_FIELD(struct plan_conf, fairness),
	  .help =
	      "who shares pools equally with others under overload, such as {client.address} (of "
	      "IPv6 its /64); 429 above the share" },
	{ "buffer_body", CONF_BOOL, CONF_FIELD(struct plan_conf, buffer_body), .def = "no",
	  .help = "a source of the route's own is asked when the request's body is complete, which "
		  "waits in memory and above body_buffer in a file" },
	{ "buffer_response", CONF_SIZE, CONF_FIELD(struct plan_conf, buffer_response),
	  .min = POND_MEMORY_LEAST, .max = 1 << 30,
	  .help = "so much of each response of a route with an upstream or a program as source is "
		  "kept in memory while its client is slow, and above it a file takes the rest, so "
		  "that the source is done at its own pace; not set: it waits for the client" },
	{ "max_response_file", CONF_SIZE, CONF_FIELD(struct plan_conf, max_response_file),
	  .def = "1g", .max = INT64_MAX,
	  .help = "most of one response that buffer_response puts in a file; above it, and where "
		  "there is no room for a file, the source waits; 0: there are no files" },
	CONF_KEYS_END
};

const struct conf_key plan_join_keys[] = {
	{ "join", CONF_WORD, CONF_FIELD(struct plan_conf, join), .def = "object", .words = joins,
	  .help =
	      "what the results become: an object by the parts' names, an array, their bytes one "
	      "after the other, the bytes of the first that succeeds, or what template says" },
	{ "quorum", CONF_UINT, CONF_FIELD(struct plan_conf, quorum), .min = 1,
	  .max = PLAN_PARTS_MAX,
	  .help = "of an object or array: so many parts are enough, whichever they are; the others "
		  "are cancelled then, and null" },
	{ "template", CONF_TEMPLATE, CONF_FIELD(struct plan_conf, template),
	  .help =
	      "JSON with {part} or {part.field} where results go; what is absent becomes null" },
	{ "media_type", CONF_TEXT, CONF_FIELD(struct plan_conf, type),
	  .help = "media type of concatenated results; else application/octet-stream" },
	{ "failure", CONF_WORD, CONF_FIELD(struct plan_conf, failure), .def = "partial",
	  .words = failures, .help = "whether optional parts may fail" },
	CONF_KEYS_END
};

const struct conf_key plan_report_keys[] = {
	{ "report", CONF_WORD, CONF_FIELD(struct plan_conf, report), .def = "header",
	  .words = reports,
	  .help =
	      "where to tell how each part ended: Forebay-Parts, a member _parts of the object, "
	      "or nowhere" },
	CONF_KEYS_END
};

const struct conf_key plan_flow_keys[] = {
	{ "flow", CONF_KNOWN,
	  .help = "a flow of a module: its code calls the parts, and answers in place of a join" },
	{ "max_turn", CONF_DURATION, CONF_FIELD(struct plan_flow_conf, max_turn), .def = "10ms",
	  .min = (int64_t)CLOCK_US,
	  .help = "longest that the flow should run between two waits; what is longer holds up "
		  "the worker, and counts as a stall" },
	{ "max_answer", CONF_SIZE, CONF_FIELD(struct plan_flow_conf, max_answer), .def = "8m",
	  .min = 1, .max = 1 << 30, .help = "largest answer that the flow may write" },
	CONF_KEYS_END
};

/* Read by plan_read, which has to know the source before it knows the keys. */
const struct conf_key plan_source_keys[] = {
	{ "source", CONF_KNOWN, .flags = CONF_REQUIRED,
	  .help = "who answers: a kind of source and, for most, the name of one" },
	CONF_KEYS_END
};

const struct conf_key plan_result_keys[] = {
	{ "max_result", CONF_SIZE, CONF_FIELD(struct plan_part_conf, max_result), .def = "1m",
	  .min = 1, .max = 1 << 30, .help = "largest result; the part fails above it" },
	CONF_KEYS_END
};

const struct conf_key plan_part_keys[] = {
	{ "optional", CONF_BOOL, CONF_FIELD(struct plan_part_conf, is_optional), .def = "no",
	  .help = "the response goes without the part if it fails" },
	{ "fallback", CONF_TEXT, CONF_FIELD(struct plan_part_conf, fallback),
	  .help =
	      "JSON that stands for an optional part that failed, else null; omit: it is left out; "
	      "text, where results are concatenated; stale 60s: its last good answer, if it is no "
	      "older, and else what stands behind a comma: stale 60s, []" },
	{ "timeout", CONF_DURATION, CONF_FIELD(struct plan_part_conf, timeout),
	  .min = (int64_t)CLOCK_MS,
	  .help = "longest time from the part's start to its end; else the route's deadline" },
	{ "as", CONF_WORD, CONF_FIELD(struct plan_part_conf, as), .def = "auto", .words = forms,
	  .help = "how the result is taken; auto: by its media type" },
	{ "pick", CONF_LIST, CONF_FIELD(struct plan_part_conf, pick),
	  .help =
	      "members of the JSON result that go on, as id, city = address.city; of an array, of "
	      "each element" },
	{ "expect", CONF_LIST, CONF_FIELD(struct plan_part_conf, expect), .def = "200-299",
	  .help = "statuses that mean success, as 200, 200-299 or 2xx" },
	{ "coalesce", CONF_TEMPLATE, CONF_FIELD(struct plan_part_conf, coalesce),
	  .flags = CONF_MAY_LACK,
	  .help =
	      "key of what may share one execution, such as {id}: parts of equal keys that are "
	      "under way in a worker wait for the same answer; what the part sends of a client's "
	      "fields, login and other parts' results is always added to the key" },
	{ "when", CONF_TEMPLATE, CONF_FIELD(struct plan_part_conf, when),
	  .help = "condition without which the part is not needed, such as {query.detail} == full; "
		  "then it is its fallback, or null" },
	{ "foreach", CONF_TEMPLATE, CONF_FIELD(struct plan_part_conf, each),
	  .help = "a JSON list, such as {orders.items}: the part is asked once for each element, "
		  "which is {item} in its other keys; the results are an array" },
	{ "foreach_max", CONF_UINT, CONF_FIELD(struct plan_part_conf, each_max), .min = 1,
	  .max = 10000, .help = "most elements, 100 if it is not set; the part fails above it" },
	{ "foreach_at_once", CONF_UINT, CONF_FIELD(struct plan_part_conf, each_at_once), .min = 1,
	  .max = PLAN_EACH_MAX,
	  .help = "most elements that are under way at the same time in one request, 8 if it is "
		  "not set" },
	{ "foreach_fallback", CONF_TEXT, CONF_FIELD(struct plan_part_conf, each_fallback),
	  .help = "JSON that stands for an element that failed; else it fails the part" },
	{ "after", CONF_LIST, CONF_FIELD(struct plan_part_conf, after),
	  .help = "parts that must have ended before this one starts" },
	CONF_KEYS_END
};

const struct conf_key plan_stash_keys[] = {
	{ "cache", CONF_TEXT, CONF_FIELD(struct plan_part_conf, cache),
	  .help =
	      "name of a section [cache NAME]: answers of the part are kept there, and used for "
	      "as long as they are fresh, in the place of its source" },
	{ "cache_key", CONF_TEMPLATE, CONF_FIELD(struct plan_part_conf, cache_key),
	  .help = "by what kept answers are told apart, such as {id}; else all that the part asks; "
		  "what it sends of a client's fields, login and other parts' results is of the "
		  "key unasked" },
	{ "cache_for", CONF_DURATION, CONF_FIELD(struct plan_part_conf, cache_for),
	  .help = "how long answers are fresh that do not say it, in the place of what the cache "
		  "says" },
	{ "stale_in", CONF_TEXT, CONF_FIELD(struct plan_part_conf, stale_in),
	  .help = "name of a section [cache NAME]: answers for fallback = stale are kept there, of "
		  "a part without cache" },
	CONF_KEYS_END
};
