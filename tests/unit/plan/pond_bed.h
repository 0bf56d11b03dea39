/*
 * For tests of ponds: a source and a client that only keep account, on a real
 * loop, with a pool of one thread that runs a job only when it is told to. The
 * bytes of the response are known by their place.
 */
#ifndef FOREBAY_TESTS_POND_BED_H
#define FOREBAY_TESTS_POND_BED_H

#include "net/env.h"
#include "plan/pond.h"
#include "plan/spool_file.h"
#include "thread/pool.h"

enum {
	MEMORY = POND_MEMORY_LEAST,
	PIECE = MEMORY / 4,
	GIVE_MOST = 20000,
	QUEUE = 4, /* places in the pool beside those that run */
};

extern struct pond_bed {
	struct env env;
	struct counters counters;
	struct lease lease;
	struct pool *pool;
	struct spool_conf spool;
	struct pond_conf conf; /* of the next response; read as it goes on */
	struct exchange x;
	struct {
		uint64_t given; /* bytes */
		bool is_paused, has_ended, is_cancelled;
		unsigned resumes;
	} source;
	struct {
		uint64_t sent, room; /* bytes: that came, that it takes before it pauses */
		bool is_paused;
		unsigned ends, aborts;
		int err;
	} client;
} bed;

/* With one response, whose client is stalled after its first bytes. */
void pond_setup(void);
void pond_teardown(void);
/* Another response, after pond_finish(): everything must be home, and nothing kept. */
void pond_begin(void);
void pond_finish(void);

/* The byte at a place of the response. */
char pond_byte_at(uint64_t place);
/* The next bytes of the response, in chunks of at most `most`; the source must not be paused. */
void pond_give(size_t bytes, size_t most);
/* So many, while it is not paused; jobs run as they come. */
void pond_give_much(uint64_t bytes);
void pond_end(void);
/* The client has room for so many bytes more. */
void pond_take(uint64_t bytes);
/* Until it has the end, while jobs run. */
void pond_take_all(void);

/* A place of the pool, which is given back by pool_release(). */
int pond_reserve(uint64_t *expected_ns);
bool pond_is_job_away(void);
/* What is in the pool runs, and comes home. */
void pond_run_jobs(void);
void pond_run_all_jobs(void);

uint64_t pond_counted(enum counter c);
/* Bytes that are kept in memory. */
uint64_t pond_held(void);

#endif
