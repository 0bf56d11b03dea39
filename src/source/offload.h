/*
 * Subrequests that are answered by one job in a pool: what compute and SQL
 * have in common. Admission of a fan-out as one, the way there and back, and
 * what becomes of a job whose subrequest was cancelled.
 *
 *   worker                                        pool thread
 *   offload_reserve   places in the pools
 *   offload_start     make (copies to the heap) ==job==>  run: output, status, type
 *   (mail)            head, body, done   <==============
 *   offload_cancel    lets go; the job comes home alone and is freed there
 *
 * An offload owns its input and its output; it never points into an arena but
 * for `q`, which only the worker follows, and only until done or cancel.
 */
#ifndef FOREBAY_SOURCE_OFFLOAD_H
#define FOREBAY_SOURCE_OFFLOAD_H

#include "base/buffer.h"
#include "source/heading.h"
#include "source/subrequest.h"

struct offload;

/* One const table for each kind of source that uses this. */
struct offload_ops {
	struct pool *(*pool)(const struct part *p);
	/* What the part costs there, of pool_cost(); or NULL. */
	struct cost *(*cost)(const struct part *p);
	/* Optional: how much there is to do (struct job); 0 when it cannot be told, or q->value is
	 * not there yet. Worker. */
	uint64_t (*units)(const struct subrequest *q);
	/* Worker: a new offload, first in its memory (mem_zalloc), with all that run() needs
	 * copied from q. NULL without memory. */
	struct offload *(*make)(const struct subrequest *q);
	/* Pool thread: fills output, and status, type and heading where 200 and text are not all. 0
	 * or enum err. Polls job_is_cancelled(&o->job) in long loops. */
	int (*run)(struct offload *o, struct pool_thread *t);
	/* What make() made beside the block itself; may be NULL. Worker. */
	void (*fini)(struct offload *o);
	/* Optional, worker, for what answers bit by bit. home: the job is home, o->q still waits.
	 * True: whoever took it answers, from inside or later, after offload_leave(); false:
	 * it is answered by the outcome and o->output. leave: o->q is left, nothing may be done
	 * for it any more. */
	bool (*home)(struct offload *o);
	void (*resume)(struct offload *o);
	void (*leave)(struct offload *o);
};

struct offload {
	struct job job;
	const struct offload_ops *ops;
	struct subrequest *q; /* NULL: nobody waits for it any more */
	struct lease *lease; /* taken: what run() uses of the site stays until it is home */
	struct buffer output; /* limit: the part's max_result */
	int status;
	const char *conflict; /* of run() that says ERR_CONFLICT: see struct subrequest */
	struct slice type; /* static or of the site */
	unsigned mishap; /* of run(): 1 + an enum counter, counted when it is home; 0: none */
	struct heading *heading; /* more header fields, or NULL; owned */
	bool is_home; /* home() has taken it: it lives until it is left */
};

/* For source_ops.reserve, release, start and cancel. offload_start needs a reservation. */
int offload_reserve(struct subrequest *q[], size_t n, const struct offload_ops *ops) MUST_CHECK;
void offload_release(struct subrequest *q);
void offload_start(struct subrequest *q);
void offload_resume(struct subrequest *q);
void offload_cancel(struct subrequest *q);
/* Of one with home(): the subrequest, for whoever answers it now. The offload is gone, or goes when
 * it comes home. */
struct subrequest *offload_leave(struct offload *o) MUST_CHECK;

#endif
