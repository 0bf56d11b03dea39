/*
 * Sources: anything that can answer a subrequest. A kind of source is one
 * const table of functions (source_ops); all kinds are listed in sources.def.
 * A source is one configured instance of a kind: `[upstream users]`, `[database
 * shop]`; kinds without a section (fixed, echo, file, compute) have one each.
 *
 * A part is one declared subrequest, or a route's own `source`: the source, the
 * part's keys, and the templates whose values it needs. Sources never see
 * templates: load_part() says which texts it wants evaluated (part_want), and
 * at run time q->value[] holds the results.
 *
 *   load, load_part  builder thread, while a site is built
 *   attach, detach   each worker, before and after traffic
 *   reserve, answer, start, feed, resume, cancel   worker, per subrequest
 */
#ifndef FOREBAY_SOURCE_SOURCE_H
#define FOREBAY_SOURCE_SOURCE_H

#include "base/arena.h"
#include "base/chunk.h"
#include "base/err.h"
#include "config/key.h"
#include "http/request.h"
#include "net/lease.h"
#include "thread/pool.h"

struct job_type;
struct spawner;
struct source;
struct source_ops;
struct part;
struct resolver;
struct subrequest;

/* What load() and load_part() may use. Lives as long as the site. */
struct source_build {
	struct arena *arena; /* memory of the site */
	struct conf_errors *errors; /* every mistake is added here with its file and line */
	struct pool *(*find_pool)(void *argument, struct slice name); /* NULL: not declared */
	/* A pool for a database, by which the site holds it: a new one, or that of the site before
	 * when it is the same (pool_is_same); the limits hold once the site is published. Takes
	 * o->argument in any case. NULL: none; the caller says so at its section. */
	struct pool *(*make_pool)(void *argument, const struct pool_options *o);
	/* Compute jobs that modules bring, beside the built-in ones. */
	const struct job_type *const *jobs;
	unsigned job_count;
	bool lacks_modules; /* one could not be loaded, which was said: its jobs are not known */
	/* Jobs that a pool will hold once the site is published: one that it shares with the site
	 * before has that one's limits until then. NULL: what it holds now. */
	unsigned (*pool_room)(void *argument, const struct pool *p);
	struct spawner *spawner; /* the site's: starts programs */
	/* The source of that kind and name in the site that is replaced, or NULL. What it shares
	 * with the new one is counted. NULL: there is no such site. */
	const struct source *(*find_prior)(void *argument, const struct source_ops *ops,
					   struct slice name);
	bool is_shadow; /* [limits] mode: what is refused by a prediction is counted and let in */
	struct resolver *resolver; /* of the site; NULL: names are looked up by the system's */
	void *argument;
};

/* What bounds a part beside its plan: for who looks ahead (--explain, -t), not for a run. Zeros: no
 * such bound. */
struct source_bounds {
	unsigned at_once; /* subrequests of its source that can run, of all workers together */
	unsigned waiting; /* that may wait for that; counts only with at_once */
	const char *at_once_key; /* of the source's section, for messages */
	bool is_shared; /* workers have at_once and waiting together, none has a part of its own */
	unsigned attempts; /* most for one subrequest */
	uint64_t answer_ns; /* longest time of an attempt until an answer begins */
	uint64_t work_ns; /* longest time of the work itself, not of waiting for its turn */
	const char *work_key; /* of the source's section, for messages */
	struct pool *pool; /* asked for single jobs, without a place of the part's own */
	unsigned descriptors; /* that a subrequest holds */
};

struct source_ops {
	const char *name; /* the word in the INI: source = NAME [ARGUMENT] */
	const char *section; /* kind of the section that declares an instance, or NULL */
	const struct conf_key *section_keys; /* of that section; ends with a zeroed row */
	size_t section_size; /* bytes of the struct they fill: source->conf */
	const struct conf_key *part_keys; /* of a part that uses this source */
	size_t part_size; /* bytes of part->conf */
	/* For kinds whose argument chooses more keys (compute JOB): sets part->choice, returns its
	 * table and size; NULL after adding an error. */
	const struct conf_key *(*choose)(struct part *p, struct source_build *b, size_t *size);
	int (*load)(struct source *s, struct source_build *b);
	int (*load_part)(struct part *p, struct source_build *b);
	/* Optional: the values have been compiled; those without a variable are known now
	 * (part_value.constant). */
	int (*prepare_part)(struct part *p, struct source_build *b);
	/* Optional: all parts of the site have been loaded, well or not. */
	void (*settle)(struct source *s);
	void (*unload)(struct source *s); /* builder or main thread, after every worker detached */
	/* Each worker: what it keeps goes to l->attached[s->index]. detach also follows a failed
	 * attach. */
	int (*attach)(struct source *s, struct lease *l);
	void (*detach)(struct source *s, struct lease *l);
	/* Optional: the pool in which reserve() takes one place for each subrequest; NULL when
	 * load_part() failed. */
	struct pool *(*pool)(const struct part *p);
	/* Optional: fills b, which is all zeros. After load_part() only. */
	void (*bounds)(const struct part *p, struct source_bounds *b);
	/* Admission of n subrequests of this source as one, before any starts. 0, ERR_SHED with
	 * q[i]->refusal saying why, the same in all, or ERR_MEMORY. NULL: always. */
	int (*reserve)(struct subrequest *q[], size_t n);
	/* Gives back a reservation of a subrequest that will not start. */
	void (*release)(struct subrequest *q);
	/* Optional: answers at once, from inside (head, body, done), and returns 0; or returns
	 * ERR_BUSY: start() it. A reservation that it did not need is released after it. */
	int (*answer)(struct subrequest *q);
	/* Later: head, body..., exactly one done; never from inside start(). */
	void (*start)(struct subrequest *q);
	void (*feed)(struct subrequest *q, struct chunks *body,
		     bool is_last); /* request body, after subrequest_want_body; takes the chunks */
	void (*resume)(struct subrequest *q); /* the reader can take more, after a body() that
						 returned SUBREQUEST_PAUSE */
	void (*cancel)(
	    struct subrequest *q); /* idempotent and final: no call-back comes after it */
	/* Optional: the client's fields that a subrequest of that part sends on; NULL: none. */
	const struct conf_list *(*forwards)(const struct part *p);
	/* Optional: why one subrequest cannot stand for several: it has effects. NULL: it can. */
	const char *(*effects)(const struct part *p);
	/* Optional: an answer may depend on the host that the client has asked. */
	bool (*sends_host)(const struct part *p);
	/* Optional: what a subrequest of that part asks about (q->condition) is sent, and 304 is an
	 * answer to that alone. */
	bool (*asks_condition)(const struct part *p);
	/* Its answer comes no faster than it is read, and a connection or a process waits so long:
	 * it is worth keeping for a slow client. */
	bool waits_for_reader;
	/* Optional: an answer may depend on the path and query that the client has asked, beside
	 * its values. */
	bool (*asks_target)(const struct part *p);
	bool reads_paths; /* a server may read the request's path otherwise than we do */
	bool tells_freshness; /* answers may say how long they hold (RFC 9111) */
	bool takes_body; /* feed() is there: the request body can be streamed into it */
};

/* Whether an answer is there as a whole, in memory, before any of it is sent: a job's, or SQL's. */
static inline bool
source_answers_whole(const struct source_ops *ops)
{
	return ops->pool && !ops->waits_for_reader;
}

struct source {
	const struct source_ops *ops;
	struct slice name; /* of the instance; empty for kinds without a section */
	struct conf_section *section; /* where it was declared, for errors; NULL without */
	void *conf; /* filled from section_keys */
	void *state; /* of load() */
	unsigned index; /* in lease->attached */
	/* Of load(): what it may refuse by, as in q->refusal.limit; counted in lease->sheds. */
	const char *const *limit;
	unsigned limits;
	bool is_shadow; /* what its predictions would refuse is let in, and counted */
	unsigned parts; /* that have a number */
};

/* How values are written into the text; see plan/template.h. */
enum value_coding {
	VALUE_RAW,
	VALUE_PATH,
	VALUE_QUERY,
	VALUE_FIELD,
	VALUE_JSON,
	VALUE_TYPED,
};
enum { PART_VALUES_MAX = 32 };

/* A template text that a part wants evaluated before it starts. */
struct part_value {
	struct slice text;
	enum value_coding coding;
	const char *key; /* where it stands, for errors */
	unsigned line;
	bool is_optional; /* absent at run time: the value is a NULL slice, not a failure */
	bool is_typed; /* for subrequests: of VALUE_TYPED, the value is JSON and no plain text */
	bool is_constant; /* for prepare_part: no variable in it; this is its value */
	struct slice constant; /* in the site's arena; NUL-terminated */
};

struct part {
	struct slice name; /* of [subrequest ROUTE.NAME]; empty for a route's own source */
	struct source *source; /* borrowed from the site */
	struct slice argument; /* the word after the kind, e.g. the job of compute */
	struct conf_section *section;
	void *conf; /* filled from part_keys */
	void *choice_conf; /* filled from the keys that choose() returned */
	const void *choice; /* of choose() */
	struct part_value value[PART_VALUES_MAX];
	unsigned values;
	unsigned index; /* in lease->parts */
	unsigned number; /* among those of its source that are numbered: see wait.h */
	bool is_weighed; /* by load_part: reserve() is better with values, where they are known then
			  */
	bool passes_through; /* the only part, streamed to the client */
	/* Of load_part(): the key by which it changes data, so that it is not safe in the sense of
	 * RFC 9110 9.2.1; NULL: it only reads, as far as its source knows. */
	const char *writes_by;
	uint64_t max_result; /* bytes: a source that builds its result as a whole stops there */
	const struct slice
	    *path_params; /* names of the route's path parameters, for :name of SQL */
	unsigned path_param_count;
};

/* For load_part: index of the value in q->value[], or ERR_TOO_MANY. */
int part_want(struct part *p, struct slice text, enum value_coding coding, const char *key)
    __attribute__((warn_unused_result));
int part_want_optional(struct part *p, struct slice text, enum value_coding coding, const char *key)
    __attribute__((warn_unused_result));

/* The pool in which it takes a place; NULL: none. */
struct pool *part_pool(const struct part *p);
/* All zeros where its source says nothing. */
struct source_bounds part_bounds(const struct part *p);

/* All kinds; by name, NULL if there is none. */
const struct source_ops *source_find_ops(struct slice name);
const struct source_ops *const *source_all_ops(size_t *count);

#endif
