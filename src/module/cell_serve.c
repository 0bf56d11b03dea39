/*
 * The process in which the jobs of one module run, one after the other; see
 * cell.h. It begins as the trial of a module does, but stays:
 *
 *   SECTION -> load, fill, init -> sandbox -> READY -> RUN -> DONE -> RUN ... -> fini
 *
 * Its standard input is the socket; the module finds nothing there.
 */
#include "base/mem.h"
#include "module/cell.h"
#include "module/cell_wire.h"
#include "module/module_priv.h"
#include "module/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARENA_BYTES = 16 << 20, IMAGE_FD = 3 };

struct serving {
	int socket;
	struct store store;
	struct arena arena;
	struct conf_errors errors; /* of the section; the server has said them */
	struct module module;
	void *conf; /* of a job's struct, for one run */
};

/* One run; the job is looked for in it. */
struct serving_call {
	struct job_call call;
	struct job job;
	int socket;
};

/* --- bytes ------------------------------------------------------------------------ */

static int
receive(int socket, void *into, size_t bytes)
{
	char *at = into;

	while (bytes > 0) {
		ssize_t got = recv(socket, at, bytes, MSG_WAITALL);

		if (got == 0)
			return ERR_CLOSED;
		if (got < 0 && errno != EINTR)
			return ERR_SYSTEM;
		at += got > 0 ? got : 0;
		bytes -= got > 0 ? (size_t)got : 0;
	}
	return 0;
}

static int
send_bytes(int socket, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = send(socket, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return ERR_CLOSED;
		bytes = slice_after(bytes, sent > 0 ? (size_t)sent : 0);
	}
	return 0;
}

static int
send_frame(int socket, enum cell_kind kind, struct slice payload)
{
	const struct cell_frame frame = { .kind = kind, .bytes = payload.len };
	int err = send_bytes(socket, slice_make((const char *)&frame, sizeof(frame)));

	return err ? err : send_bytes(socket, payload);
}

/* The next frame but CANCEL, which was for a run that has ended. *payload is the caller's. */
static int
next_frame(int socket, struct cell_frame *frame, char **payload)
{
	int err;

	*payload = NULL;
	do {
		err = receive(socket, frame, sizeof(*frame));
	} while (!err && frame->kind == CELL_CANCEL);
	if (err)
		return err;
	*payload = mem_alloc(frame->bytes + 1);
	if (!*payload)
		return ERR_MEMORY;
	return receive(socket, *payload, frame->bytes);
}

/* --- runs ------------------------------------------------------------------------- */

/* Whatever comes while a job runs means that it is not wanted any more: CANCEL, or the end. */
static bool
is_cancelled(const struct job_call *c)
{
	const struct serving_call *s = (const struct serving_call *)c;
	char byte;

	if (clock_monotonic() >= s->job.deadline_ns)
		return true;
	return recv(s->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void
put_fields(struct buffer *b, struct cell_done_head *h, const struct heading *heading)
{
	struct slice name, value;

	while (heading_at(heading, h->fields, &name, &value)) {
		buffer_put(b, name);
		buffer_char(b, '\0');
		buffer_put(b, value);
		buffer_char(b, '\0');
		h->fields++;
	}
	h->field_bytes = (uint32_t)b->len;
}

static int
answer(int socket, const struct job_call *call, int err, struct slice why)
{
	struct cell_done_head h = { .err = err,
				    .status = call->status,
				    .has_media = call->media.len > 0,
				    .why_bytes = (uint32_t)why.len,
				    .output_bytes = err ? 0 : call->output->len };
	struct cell_frame frame = { .kind = CELL_DONE };
	struct buffer fields;

	buffer_init(&fields, 2 * HEADING_BYTES);
	put_fields(&fields, &h, call->heading);
	frame.bytes = sizeof(h) + h.field_bytes + h.why_bytes + h.output_bytes;
	err = send_bytes(socket, slice_make((const char *)&frame, sizeof(frame)));
	if (!err)
		err = send_bytes(socket, slice_make((const char *)&h, sizeof(h)));
	if (!err)
		err = send_bytes(socket, buffer_slice(&fields));
	if (!err)
		err = send_bytes(socket, why);
	if (!err)
		err = send_bytes(socket, slice_make(call->output->at, h.output_bytes));
	buffer_fini(&fields);
	return err;
}

static int
serve_run(struct serving *v, struct slice payload)
{
	struct cell_run run;
	struct buffer output;
	struct serving_call s = { .socket = v->socket };
	char text[CELL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	const struct module_job *j;
	int err = cell_wire_take_head(&run.head, payload);

	if (err || run.head.job >= v->module.table.job_count)
		return ERR_SYNTAX;
	j = &v->module.jobs[run.head.job];
	err = cell_wire_take_run(&run, &j->type, v->conf, payload);
	if (err)
		return err;
	buffer_init(&output, run.head.max_output);
	s.job.deadline_ns = run.head.deadline_ns;
	s.call = (struct job_call){ .input = run.input,
				    .conf = v->conf,
				    .output = &output,
				    .job = &s.job,
				    .type = &j->type,
				    .is_cancelled = is_cancelled,
				    .status = 200 };
	memcpy(s.call.text, run.text, sizeof(run.text));
	err = host_run_quietly(&s.call, &why);
	err = answer(v->socket, &s.call, err ? err : output.err, writer_slice(&why));
	mem_free(&s.call.heading);
	buffer_fini(&output);
	return err;
}

static void
serve_runs(struct serving *v)
{
	struct cell_frame frame;
	char *payload;
	int err;

	do {
		err = next_frame(v->socket, &frame, &payload);
		if (!err)
			err = frame.kind == CELL_RUN
				  ? serve_run(v, slice_make(payload, frame.bytes))
				  : ERR_PROTOCOL;
		mem_free(&payload);
	} while (!err);
}

/* --- its life --------------------------------------------------------------------- */

static int
load(struct serving *v, struct conf_section *s, struct writer *why)
{
	struct module *m = &v->module;
	int err;

	m->section = s;
	err = module_load(m, &v->arena, NULL, why);
	close(IMAGE_FD);
	if (!err)
		err = module_fill(m, &v->arena, &v->errors);
	if (!err)
		err = module_make_jobs(m, &v->arena);
	return err ? err : module_start(m, false, why);
}

static int
get_ready(struct serving *v, const char *conf, struct writer *why)
{
	struct cell_frame frame;
	char *section;
	struct conf *c = NULL;
	struct conf_section *s;
	int err = next_frame(v->socket, &frame, &section);

	if (!err && frame.kind == CELL_SECTION)
		c = conf_read(slice_make(section, frame.bytes), conf, &v->errors);
	mem_free(&section);
	s = c ? conf_next(c, "module", NULL) : NULL;
	if (err || !s)
		return err ? err : ERR_SYNTAX;
	err = load(v, s, why);
	if (err || !v->module.conf.sandbox)
		return err;
	err = sandbox_enter();
	return err == ERR_UNSUPPORTED ? 0 : err;
}

static void
stop(struct serving *v)
{
	struct module *m = &v->module;

	for (unsigned i = 0; i < m->table.job_count; i++)
		local_end_alone(&m->jobs[i]);
	module_stop(m);
}

/* Standard input is nobody's any more; what the module prints goes where its errors go. */
static int
open_serving(struct serving *v, const char *file)
{
	int nothing;

	v->socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, IMAGE_FD + 1);
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (v->socket < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		return ERR_SYSTEM;
	close(nothing);
	store_init(&v->store);
	arena_init(&v->arena, &v->store, ARENA_BYTES);
	conf_errors_init(&v->errors);
	image_over(&v->module.image, file);
	v->conf = arena_alloc(&v->arena, TABLE_CONF_BYTES);
	prctl(PR_SET_NAME, "module", 0, 0, 0);
	return v->conf ? 0 : ERR_MEMORY;
}

int
cell_serve(const char *file, const char *conf)
{
	struct serving v = { .socket = -1 };
	char text[CELL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err = open_serving(&v, file);

	if (!err)
		err = get_ready(&v, conf, &why);
	if (err) {
		if (why.len == 0)
			writer_text(&why, err_text(err));
		(void)!send_frame(v.socket, CELL_REFUSED, writer_slice(&why));
		_exit(EXIT_FAILURE);
	}
	if (send_frame(v.socket, CELL_READY, SLICE("")) == 0)
		serve_runs(&v);
	stop(&v);
	/* Without the exit handlers: the module's are not to be met any more. */
	_exit(EXIT_SUCCESS);
}
