/*
 * Compute jobs: functions from bytes to bytes, on a pool thread. A job is one
 * const table (job_type); those built in are listed in jobs.def, and modules
 * bring more (module/). A job sees its input, its parameters, a bounded output,
 * and whether anybody still waits; it knows nothing else.
 */
#ifndef FOREBAY_SOURCE_JOBS_H
#define FOREBAY_SOURCE_JOBS_H

#include "base/buffer.h"
#include "config/key.h"
#include "source/heading.h"
#include "thread/pool.h"

enum { JOB_TEXTS_MAX = 8 };

struct job_type;

/* One run of a job; all of it is the caller's and ends when run() returns. */
struct job_call {
	struct slice input;
	const void *conf; /* filled from the job's keys; shared by all runs, read-only */
	/* Values of the keys of type CONF_TEMPLATE, evaluated for this request, in the order of
	 * the table. */
	struct slice text[JOB_TEXTS_MAX];
	struct buffer *output;
	const struct job *job;
	const struct job_type *type;
	struct pool_thread *thread; /* that it runs on; NULL: in a process of its own */
	/* Instead of asking the job whether anybody still waits; NULL: the job is asked. */
	bool (*is_cancelled)(const struct job_call *c);
	/* About the answer; for the job to change. */
	unsigned mishap; /* 0; or 1 + an enum counter that counts what befell the run */
	int status; /* 200 */
	struct slice media; /* "text/plain"; static, or as long as the job's table lives */
	struct heading *heading; /* NULL; of heading_set. The caller frees it */
};

struct job_type {
	const char *name; /* source = compute NAME */
	const char *owner; /* "module image"; NULL: it is built in */
	const struct conf_key *keys;
	size_t conf_size;
	/* Pool thread. 0, or enum err; ERR_CANCELLED when it gave up because nobody waits. Errors
	 * of the output need not be looked at. */
	int (*run)(struct job_call *c);
	/* Optional: how much such a run has to do, in a unit of the job's own - bytes, pixels - of
	 * which one takes about as long as another; 0: it cannot tell. The call has input, conf,
	 * text and type alone; scratch memory comes from the arena. Worker: microseconds. */
	uint64_t (*units)(const struct job_call *c, struct arena *a);
};

/* To be polled at least every few milliseconds of work. */
bool job_call_is_cancelled(const struct job_call *c);

/* Those that are built in. */
const struct job_type *jobs_find(struct slice name);
const struct job_type *const *jobs_all(size_t *count);

/* For jobs that hash: the algorithms and encodings by their place in these lists of words. */
enum job_encoding { JOB_HEX, JOB_BASE64 };
extern const char *const job_algorithms[]; /* sha256, sha384, sha512 */
extern const char *const job_encodings[];
/* The name by which OpenSSL knows an algorithm. */
const char *job_algorithm_name(unsigned algorithm);
void job_write_encoded(struct buffer *b, enum job_encoding encoding, struct slice bytes);

#endif
