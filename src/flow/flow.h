/*
 * A flow: a function that answers a request in place of a plan's order. It
 * runs as a coroutine on the request's worker and calls the parts that its
 * route declares.
 *
 *   module/flow_host.c    what a module's code sees (forebay_module.h)
 *        |  flow_ops             ^ flow_type.run
 *   plan/flow_way.c       which parts, when; the answer
 *
 * Here is only what the two tell each other.
 */
#ifndef FOREBAY_FLOW_FLOW_H
#define FOREBAY_FLOW_FLOW_H

#include "base/err.h"
#include "base/slice.h"
#include "config/key.h"

enum { FLOW_READS_MAX = 64, FLOW_CALLS_MAX = 64, FLOW_READ_BYTES = 256 };

struct flow;

enum flow_wait {
	FLOW_ALL, /* of some parts: all of them, or the first required one that fails */
	FLOW_ANY, /* the first that succeeds; the others are cancelled */
};

/*
 * What a flow may ask for, from inside alone. Texts that are given stay until the exchange ends;
 * texts that are taken are copied. When the flow has been cancelled, whatever can say so is
 * ERR_CANCELLED.
 */
struct flow_ops {
	/* The value of one of type->reads. ERR_MISSING: this request has none; ERR_ARGUMENT: it is
	 * not among them; ERR_MEMORY. */
	int (*get)(struct flow *f, struct slice name, struct slice *value);
	/* {flow.NAME} for the parts that are called from now on. ERR_ARGUMENT: no part uses it;
	 * ERR_MEMORY. */
	int (*set)(struct flow *f, struct slice name, struct slice value);
	/* Starts the parts, as one, and waits. The place of the one that succeeded (FLOW_ANY), or
	 * 0; ERR_FAILED: not so many have ended well; ERR_ARGUMENT: one is not declared, was called
	 * before, or there is none at all. */
	int (*wait)(struct flow *f, const char *const *parts, size_t count, enum flow_wait how);
	int (*sleep)(struct flow *f, uint64_t ns);
	/* Of a part that has ended: its status, 0 when none came; ERR_ARGUMENT: it is not declared.
	 */
	int (*status)(struct flow *f, struct slice part);
	/* Its result, or what stands for it; ERR_MISSING: there is neither. */
	int (*result)(struct flow *f, struct slice part, struct slice *text);
	/* The answer. ERR_TOO_LARGE, ERR_MEMORY: it has failed, whatever the flow returns. */
	int (*write)(struct flow *f, struct slice text);
	/* The result as JSON; null when there is none. */
	int (*splice)(struct flow *f, struct slice part);
	int (*set_status)(struct flow *f, int status);
	int (*set_field)(struct flow *f, struct slice name, struct slice value);
	/* Scratch memory, gone with the flow; NULL: there is no more. */
	void *(*alloc)(struct flow *f, size_t bytes);
	uint64_t (*deadline)(const struct flow *f);
};

struct flow_type {
	const char *name; /* flow = NAME */
	const struct conf_key *keys; /* of the route, beside its own; ends with a zeroed row */
	size_t conf_size;
	/* Variables that it may get, without braces, each shorter than FLOW_READ_BYTES - 2; and
	 * parts that the route must declare. Both end with NULL, or are NULL. */
	const char *const *reads;
	const char *const *calls;
	size_t scratch; /* bytes of one run */
	/* Worker, on a stack of its own. 0, or enum err. */
	int (*run)(struct flow *f);
};

/* One run, as it is known to the type's code. */
struct flow {
	const struct flow_ops *ops;
	const struct flow_type *type;
	const void *conf; /* filled from type->keys */
};

#endif
