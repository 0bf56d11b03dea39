/*
 * What a pool thread and a module in a process of its own say to one another,
 * over a stream socket. Both are one program: structs go as they are. What
 * comes from the process is believed only as far as it was checked.
 *
 *   SECTION  the [module] section, as text
 *            READY, or REFUSED with the reason
 *   RUN      struct cell_run_head, the job's struct, its texts, the input
 *   (CANCEL  nobody waits any more)
 *            DONE: struct cell_done_head, header fields, the reason, the output
 */
#ifndef FOREBAY_MODULE_CELL_WIRE_H
#define FOREBAY_MODULE_CELL_WIRE_H

#include "source/jobs.h"

enum cell_kind { CELL_SECTION = 1, CELL_RUN, CELL_CANCEL, CELL_READY, CELL_REFUSED, CELL_DONE };

enum { CELL_WHY_BYTES = 600, CELL_FRAME_MAX = 1 << 30 };

struct cell_frame {
	uint32_t kind; /* enum cell_kind */
	uint32_t zero;
	uint64_t bytes; /* that follow */
};

struct cell_run_head {
	uint64_t job; /* its place in the module's table */
	uint64_t conf_bytes, input_bytes;
	uint64_t deadline_ns, max_output;
};

struct cell_done_head {
	int32_t err;
	int32_t status;
	uint32_t has_media; /* the server's own type stays, unless a field says another */
	uint32_t fields; /* each a name and a value, with their NULs */
	uint32_t field_bytes, why_bytes;
	uint64_t output_bytes;
};

/* The RUN of a call: the frame and all that follows. b->err says if it could not be made. */
void cell_wire_put_run(struct buffer *b, const struct job_call *c, uint64_t job);

/* Beside cell_wire_take_run: the memory that the job's struct is copied to. */
struct cell_run {
	struct cell_run_head head;
	struct slice text[JOB_TEXTS_MAX]; /* of templates, in the order of the table */
	struct slice input;
};

/* What follows a RUN frame, without the struct, which is written to conf (conf_bytes of it, as the
 * table says); texts borrow from `payload`. ERR_SYNTAX. */
int cell_wire_take_head(struct cell_run_head *h, struct slice payload) MUST_CHECK;
int cell_wire_take_run(struct cell_run *r, const struct job_type *type, void *conf,
		       struct slice payload) MUST_CHECK;

#endif
