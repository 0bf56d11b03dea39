/*
 * An order: what the spawner is to start, as one message. Made by the server on
 * any thread, read by the spawner, which is the same program.
 *
 *   struct order o;
 *   order_init(&o, "/usr/bin/sort", "/", &limits);
 *   order_argument(&o, SLICE("-r"));                 // argv[0] is there already
 *   order_variable(&o, SLICE("LANG"), SLICE("C"));   // after the last argument
 *   if (o.text.err) ...                              // too large, a NUL in a value, no memory
 */
#ifndef FOREBAY_CHILD_ORDER_H
#define FOREBAY_CHILD_ORDER_H

#include "base/buffer.h"
#include "base/cpus.h"

/* Of one message, arguments and environment together. */
enum { ORDER_BYTES = 64 << 10, ORDER_TEXTS_MAX = 1024 };

/* What a child may take; 0: no limit of ours. It never dumps core. */
struct order_limits {
	uint64_t memory; /* bytes of address space */
	uint64_t cpu_s; /* seconds of processor time */
	uint64_t files; /* descriptors */
	uint64_t file_bytes; /* of a file that it writes */
};

/* How it gets at the processors. All of it is always said: the spawner's own is that of whichever
 * thread has started it. What is refused stays as the spawner has it. */
struct order_share {
	struct cpus cpus; /* that it stays on; none: the spawner's */
	int32_t policy; /* of sched(7): SCHED_OTHER, SCHED_BATCH */
	int32_t nice;
};

struct order_head {
	uint32_t arguments, variables; /* argv[0] is not counted */
	struct order_limits limits;
	struct order_share share; /* of order_init: none, SCHED_OTHER, 0 */
};

struct order {
	struct order_head head;
	struct buffer text; /* each with its NUL: program, folder, arguments, variables */
};

void order_init(struct order *o, const char *program, const char *folder,
		const struct order_limits *limits);
void order_argument(struct order *o, struct slice value);
void order_variable(struct order *o, struct slice name, struct slice value);
/* As the calling thread has it. */
struct order_share order_share_of_thread(void);
void order_fini(struct order *o);

/* What the spawner makes of it: borrows from the message, lists end with NULL. */
struct order_read {
	struct order_head head;
	char *program, *folder;
	char *arguments[ORDER_TEXTS_MAX + 2];
	char *variables[ORDER_TEXTS_MAX + 1];
};

/* 0, or ERR_SYNTAX: it is none. */
int order_read(struct order_read *r, char *message, size_t len) MUST_CHECK;

#endif
