/*
 * Compute jobs and flows of your own for forebayd, as a shared object: a module. It
 * includes this header alone and links to nothing of the server's; what it asks
 * of the server goes through a table of functions that every call brings along.
 * forebay-module(7) has the whole contract, an example and how to build it.
 *
 * A module exports one symbol, forebay_module: a const table that says for
 * which ABI it was built, what its jobs are called, and which parameters they
 * take. Nothing here changes within an ABI but by growing at its end: structs of
 * the server begin with their size, and the sizes of a module's structs are in
 * its table (FOREBAY_MODULE_HEAD). For C11 and C++20 (with designated initialisers).
 */
#ifndef FOREBAY_MODULE_H
#define FOREBAY_MODULE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Goes up when a module has to be compiled again. */
#define FOREBAY_MODULE_ABI 1

#define FOREBAY_EXPORT __attribute__((visibility("default")))

/* Bytes that belong to someone else: read them, do not keep them. */
struct forebay_bytes {
	const char *at; /* may be NULL when len is 0 */
	size_t len; /* bytes */
};

/* What functions return: 0, or one of these. */
enum forebay_result {
	FOREBAY_OK = 0,
	FOREBAY_FAILED = -1, /* say why with forebay_fail() */
	FOREBAY_CANCELLED = -2, /* gave up because nobody waits any more */
	FOREBAY_NO_MEMORY = -3, /* or above the scratch limit */
	FOREBAY_TOO_LARGE = -4, /* the output passed its limit */
	FOREBAY_ARGUMENT = -5 /* the server does not take that value */
};

/* --- parameters --------------------------------------------------------------------- */

/* How a value is written in the configuration, and the field that takes it. "unsigned" is any of
 * uint8_t, uint16_t, uint32_t and uint64_t: a value that does not fit is refused. */
enum forebay_type {
	FOREBAY_TEXT = 1, /* any text; struct forebay_bytes, a NUL follows */
	FOREBAY_TEMPLATE = 2, /* text with variables such as {query.width}, of jobs alone; struct
				 forebay_bytes: its value for this request, any bytes, no NUL */
	FOREBAY_PATH = 3, /* a path, relative to the configuration's folder; struct forebay_bytes:
			     absolute, a NUL follows */
	FOREBAY_BOOL = 4, /* yes or no; bool */
	FOREBAY_UINT = 5, /* 12; unsigned */
	FOREBAY_INT = 6, /* -12; int8_t to int64_t */
	FOREBAY_DECIMAL = 7, /* 1.5; unsigned, in thousandths: 1500 */
	FOREBAY_DURATION = 8, /* 250ms, 2s; uint64_t, in nanoseconds */
	FOREBAY_SIZE = 9, /* 512, 16k, 1m; unsigned, in bytes */
	FOREBAY_WORD =
	    10, /* one of .words; an enum or int (4 bytes): its place in .words, from 0 */
	FOREBAY_WORDS = 11 /* several of .words, with commas; unsigned: bit i for .words[i] */
};

enum forebay_param_flag {
	FOREBAY_REQUIRED = 1, /* must be written, and not be empty */
	FOREBAY_SECRET = 2, /* only through ${NAME}; never shown */
	FOREBAY_OPTIONAL = 4 /* of a FOREBAY_TEMPLATE: when this request has no such value, .at is
				NULL; without the flag the job is not run then and the part fails */
};

/* One parameter: a key of the configuration and a field of a struct of the module's. */
struct forebay_param {
	const char *name; /* the key: a-z, then a-z 0-9 _ - . */
	uint32_t type; /* enum forebay_type */
	size_t offset, width; /* FOREBAY_FIELD */
	const char *def; /* as it would be written; NULL: none, the field is all zeros */
	int64_t min, max; /* of numbers, in the unit of the field; max 0: what the field can hold */
	uint32_t flags; /* enum forebay_param_flag */
	const char *const
	    *words; /* of FOREBAY_WORD and FOREBAY_WORDS; ends with NULL; at most 32 */
	const char *help; /* half a sentence: what it is */
};

#define FOREBAY_FIELD(type, field)                                                                 \
	.offset = offsetof(type, field), .width = sizeof(((type *)0)->field)
#define FOREBAY_PARAMS_END                                                                         \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* --- what the server gives ---------------------------------------------------------- */

struct forebay_host;

/* One run of a job, on a thread of a pool. All of it ends when run() returns. */
struct forebay_call {
	size_t size; /* bytes of this struct in the server that runs */
	const struct forebay_host *host;
	const void *params; /* the job's struct, for this request; read-only */
	void *module; /* what init() set; shared by all threads */
	void *thread; /* what thread_init() set on this thread */
	struct forebay_bytes input; /* `input` of the configuration: any bytes */
	uint64_t deadline_ns; /* of CLOCK_MONOTONIC, in nanoseconds; UINT64_MAX: none */
	size_t max_output; /* bytes */
};

/* For init() and thread_init(). */
struct forebay_setup {
	size_t size; /* bytes of this struct in the server that runs */
	const struct forebay_host *host;
	const void
	    *params; /* the module's struct, from its [module] section; lives as long as it */
	void *module; /* init() sets it; thread_init() finds it */
	void *thread; /* thread_init() sets it */
	bool is_trial; /* in the process that tries the module before it is loaded: what is only
			  slow may be left out, what may fail should be done */
};

/* Use the functions below instead. */
struct forebay_host {
	size_t size; /* bytes of this struct in the server that runs */
	const char *version; /* of the server */
	int (*write)(struct forebay_call *c, const void *at, size_t len);
	void *(*room)(struct forebay_call *c, size_t least, size_t *bytes);
	int (*wrote)(struct forebay_call *c, size_t bytes);
	int (*format)(struct forebay_call *c, const char *format, va_list list);
	int (*set_status)(struct forebay_call *c, int status);
	int (*set_field)(struct forebay_call *c, const char *name, const char *value);
	void *(*alloc)(struct forebay_call *c, size_t bytes);
	bool (*is_cancelled)(struct forebay_call *c);
	uint64_t (*time_left)(struct forebay_call *c);
	void (*fail)(struct forebay_call *c, const char *format, va_list list);
	void (*refuse)(struct forebay_setup *s, const char *format, va_list list);
};

/* --- flows ---------------------------------------------------------------------------
 *
 * A flow answers the requests of a route in place of a join: straight-line code that calls the
 * route's parts and waits for them. It runs on a thread that serves other requests meanwhile, on
 * a stack of 64 KiB of its own, and gives the thread away only where it waits: what computes
 * for milliseconds belongs into a job, what blocks into neither. */

struct forebay_flow_host;

/* One run of a flow. All of it ends when run() returns. */
struct forebay_flow {
	size_t size; /* bytes of this struct in the server that runs */
	const struct forebay_flow_host *host;
	const void *params; /* the flow's struct, from the [route] section; read-only */
	void *module; /* what init() set; shared by all threads */
	uint64_t deadline_ns; /* of CLOCK_MONOTONIC, in nanoseconds; UINT64_MAX: none */
};

enum forebay_wait { FOREBAY_ALL = 0, FOREBAY_ANY = 1 };

/* Use the functions below instead. */
struct forebay_flow_host {
	size_t size; /* bytes of this struct in the server that runs */
	const char *version; /* of the server */
	struct forebay_bytes (*get)(struct forebay_flow *f, const char *name);
	int (*set)(struct forebay_flow *f, const char *name, struct forebay_bytes value);
	int (*wait)(struct forebay_flow *f, const char *const *parts, size_t count, int how);
	int (*sleep)(struct forebay_flow *f, uint64_t ns);
	int (*part_status)(struct forebay_flow *f, const char *part);
	struct forebay_bytes (*part_body)(struct forebay_flow *f, const char *part);
	struct forebay_bytes (*find)(struct forebay_flow *f, struct forebay_bytes json,
				     const char *path);
	struct forebay_bytes (*text)(struct forebay_flow *f, struct forebay_bytes json);
	int (*answer)(struct forebay_flow *f, int status, const char *type);
	int (*set_field)(struct forebay_flow *f, const char *name, const char *value);
	int (*put)(struct forebay_flow *f, const void *at, size_t len);
	int (*format)(struct forebay_flow *f, const char *format, va_list list);
	int (*put_string)(struct forebay_flow *f, struct forebay_bytes text);
	int (*put_part)(struct forebay_flow *f, const char *part);
	void *(*alloc)(struct forebay_flow *f, size_t bytes);
	uint64_t (*time_left)(struct forebay_flow *f);
	void (*fail)(struct forebay_flow *f, const char *format, va_list list);
};

/* --- what a module exports ---------------------------------------------------------- */

/* What is known of a run before it is let in. */
struct forebay_hint {
	size_t size; /* bytes of this struct in the server that runs */
	const void *params; /* the job's struct, for this request; read-only */
	struct forebay_bytes input;
};

struct forebay_job {
	const char *name; /* source = compute NAME: a-z, then a-z 0-9 _ -; of one module alone */
	const char *help; /* half a sentence: what it does */
	const struct forebay_param *params; /* ends with FOREBAY_PARAMS_END; NULL: none */
	size_t params_size; /* bytes of the struct that they fill; at most 4096 */
	/* On a thread of a pool, several at the same time. Returns 0 or enum forebay_result. */
	int (*run)(struct forebay_call *c);
	/* Optional: what a thread keeps from its first run of this job on. 0 or enum
	 * forebay_result: that run fails, the next one tries again. */
	int (*thread_init)(struct forebay_setup *s);
	/* On the same thread, once for each thread_init() that returned 0. */
	void (*thread_fini)(void *module, void *thread);
	/* Optional: how much this run will have to do, in a unit of the job's own of which one
	 * takes as long as another, such as pixels; count what every run has to do, too. 0: it
	 * cannot tell. So the server knows that a large one will not end in time before it begins.
	 * Called by threads that serve connections: it may look at the input's head, for
	 * microseconds. */
	uint64_t (*units)(const struct forebay_hint *h);
};

enum forebay_flag {
	/* Unless its section says isolate = thread, its jobs run in processes of their own: for
	 * libraries that abort, or crash on what they are given. init() is called in each of them.
	 */
	FOREBAY_ISOLATE = 1
};

#define FOREBAY_JOBS_END                                                                           \
	{                                                                                          \
		.name = NULL                                                                       \
	}

struct forebay_flow_type {
	const char *name; /* flow = NAME; of one module alone */
	const char *help; /* half a sentence: what it does */
	const struct forebay_param
	    *params; /* keys of the [route] section; no templates; NULL: none */
	size_t params_size; /* bytes of the struct that they fill; at most 4096 */
	/* What forebay_get() may ask for: names of variables as in templates, such as "query.page"
	 * or "user.email", at most 64. Ends with NULL; or NULL. */
	const char *const *reads;
	/* The parts that it calls, all of which the route must declare; at most 64. Ends with
	 * NULL; or NULL: it calls what it likes. */
	const char *const *calls;
	/* On a thread that serves requests. Returns 0 or enum forebay_result. */
	int (*run)(struct forebay_flow *f);
};

#define FOREBAY_FLOWS_END                                                                          \
	{                                                                                          \
		.name = NULL                                                                       \
	}

struct forebay_module {
	uint32_t abi, size, job_size, param_size; /* FOREBAY_MODULE_HEAD */
	const char *name; /* for messages: a-z, then a-z 0-9 _ - */
	const char *version; /* for messages; or NULL */
	const struct forebay_param *params; /* keys of its [module] section; NULL: none */
	size_t params_size; /* bytes of the struct that they fill; at most 4096 */
	/* Optional: once, before any job. 0 or enum forebay_result: the configuration is refused.
	 */
	int (*init)(struct forebay_setup *s);
	/* Once after an init() that returned 0, when no job runs or will run. */
	void (*fini)(void *module);
	const struct forebay_job *jobs; /* ends with FOREBAY_JOBS_END; NULL: none */
	uint32_t flags; /* enum forebay_flag */
	const struct forebay_flow_type *flows; /* FOREBAY_FLOWS */
	uint32_t flow_size;
	/* Bytes of address space of each process of its own, unless its section says max_memory;
	 * 0: any. */
	uint64_t max_memory;
};

/* In the table, behind jobs: FOREBAY_FLOWS(flows), of a list that ends with FOREBAY_FLOWS_END. */
#define FOREBAY_FLOWS(list) .flows = (list), .flow_size = sizeof(struct forebay_flow_type)

#define FOREBAY_MODULE_HEAD                                                                        \
	.abi = FOREBAY_MODULE_ABI, .size = sizeof(struct forebay_module),                          \
	.job_size = sizeof(struct forebay_job), .param_size = sizeof(struct forebay_param)

/* The one symbol. In C: const struct forebay_module forebay_module = { FOREBAY_MODULE_HEAD, ... }
 */
extern FOREBAY_EXPORT const struct forebay_module forebay_module;

/* --- for run() ---------------------------------------------------------------------- */

/* Appends to the output. 0, FOREBAY_TOO_LARGE or FOREBAY_NO_MEMORY; after an error nothing more
 * is taken and the run has failed, so that one need not look. */
static inline int
forebay_write(struct forebay_call *c, const void *at, size_t len)
{
	return c->host->write(c, at, len);
}

__attribute__((format(printf, 2, 3))) static inline int
forebay_printf(struct forebay_call *c, const char *format, ...)
{
	va_list list;
	int err;

	va_start(list, format);
	err = c->host->format(c, format, list);
	va_end(list);
	return err;
}

/* To write into the output without a copy: room for at least `least` bytes, *bytes says how much;
 * NULL when there is not so much. Then forebay_wrote() with what was filled; writing anything
 * else takes the room back. */
static inline void *
forebay_room(struct forebay_call *c, size_t least, size_t *bytes)
{
	return c->host->room(c, least, bytes);
}

static inline int
forebay_wrote(struct forebay_call *c, size_t bytes)
{
	return c->host->wrote(c, bytes);
}

/* Status of the answer, 200 to 599; 200 unless set. 204, 205 and 304 are for runs without output.
 */
static inline int
forebay_set_status(struct forebay_call *c, int status)
{
	return c->host->set_status(c, status);
}

/* A header field of the answer; copied. At most 15, 4 KiB in all; none that belongs to the
 * connection or to the server (Content-Length, Connection, Date, ...). FOREBAY_ARGUMENT,
 * FOREBAY_TOO_LARGE, FOREBAY_NO_MEMORY. */
static inline int
forebay_set_field(struct forebay_call *c, const char *name, const char *value)
{
	return c->host->set_field(c, name, value);
}

/* Media type of the output; text/plain; charset=utf-8 unless set. A joined response takes
 * application/json as it is. */
static inline int
forebay_set_type(struct forebay_call *c, const char *type)
{
	return c->host->set_field(c, "content-type", type);
}

/* Scratch memory, aligned for anything, not cleared, gone after the run. NULL without memory or
 * above `scratch` of the module's section. */
static inline void *
forebay_alloc(struct forebay_call *c, size_t bytes)
{
	return c->host->alloc(c, bytes);
}

/* Nobody waits for the result any more: the client went, a sibling failed, the deadline passed, the
 * server stops. Ask every few milliseconds of work, and return FOREBAY_CANCELLED. Costs some 50 ns.
 */
static inline bool
forebay_is_cancelled(struct forebay_call *c)
{
	return c->host->is_cancelled(c);
}

/* Nanoseconds until the deadline; UINT64_MAX: there is none. */
static inline uint64_t
forebay_time_left(struct forebay_call *c)
{
	return c->host->time_left(c);
}

/* return forebay_fail(c, "no such font: %s", name): one line for the log; clients never see it. */
__attribute__((format(printf, 2, 3))) static inline int
forebay_fail(struct forebay_call *c, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	c->host->fail(c, format, list);
	va_end(list);
	return FOREBAY_FAILED;
}

/* --- for init() and thread_init() --------------------------------------------------- */

/* return forebay_refuse(s, "no model in %s", path): the message for whoever starts or reloads. */
__attribute__((format(printf, 2, 3))) static inline int
forebay_refuse(struct forebay_setup *s, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	s->host->refuse(s, format, list);
	va_end(list);
	return FOREBAY_FAILED;
}

/* --- for a flow's run() ---------------------------------------------------------------
 *
 * When the client has gone or the deadline has passed, what waits returns FOREBAY_CANCELLED, at
 * once and from then on: free what is yours, and return. */

/* A value of the request or of a part that has ended, by a name of the flow's `reads`; at is NULL
 * when there is none. */
static inline struct forebay_bytes
forebay_get(struct forebay_flow *f, const char *name)
{
	return f->host->get(f, name);
}

/* {flow.NAME} in the parts that are called from now on; copied. FOREBAY_ARGUMENT: none uses it. */
static inline int
forebay_set(struct forebay_flow *f, const char *name, struct forebay_bytes value)
{
	return f->host->set(f, name, value);
}

/* Starts a part and waits for its end. 0: it has a result, its own or its fallback, or may do
 * without; FOREBAY_FAILED: the part has failed: return that, and the client is answered as when a
 * part of a join fails, or go on without it; FOREBAY_CANCELLED; FOREBAY_ARGUMENT: the route has no
 * such part, or it was called before. */
static inline int
forebay_call(struct forebay_flow *f, const char *part)
{
	return f->host->wait(f, &part, 1, FOREBAY_ALL);
}

/* The same of several at once, which are admitted as one: forebay_all(f, "user", "orders", NULL).
 * When one has failed that is not optional, the others are cancelled. At most 64. */
__attribute__((sentinel)) static inline int
forebay_all(struct forebay_flow *f, const char *part, ...)
{
	const char *parts[65];
	size_t count = 0;
	va_list list;

	va_start(list, part);
	for (; part && count < 65; part = va_arg(list, const char *))
		parts[count++] = part;
	va_end(list);
	return f->host->wait(f, parts, count, FOREBAY_ALL);
}

/* Until the first of them has succeeded; the others are cancelled. Its place among them, from 0;
 * FOREBAY_FAILED: none did. */
__attribute__((sentinel)) static inline int
forebay_any(struct forebay_flow *f, const char *part, ...)
{
	const char *parts[65];
	size_t count = 0;
	va_list list;

	va_start(list, part);
	for (; part && count < 65; part = va_arg(list, const char *))
		parts[count++] = part;
	va_end(list);
	return f->host->wait(f, parts, count, FOREBAY_ANY);
}

/* The same, of a list that is made at run time; `how` is FOREBAY_ALL or FOREBAY_ANY. */
static inline int
forebay_wait(struct forebay_flow *f, const char *const *parts, size_t count, int how)
{
	return f->host->wait(f, parts, count, how);
}

/* 0, or FOREBAY_CANCELLED. The deadline may come first. */
static inline int
forebay_sleep(struct forebay_flow *f, uint64_t ns)
{
	return f->host->sleep(f, ns);
}

/* Of a part that has ended: its status; 0 when none came. */
static inline int
forebay_part_status(struct forebay_flow *f, const char *part)
{
	return f->host->part_status(f, part);
}

/* Its result, or its fallback; at is NULL when there is neither. */
static inline struct forebay_bytes
forebay_part_body(struct forebay_flow *f, const char *part)
{
	return f->host->part_body(f, part);
}

/* What a path such as "items.0.price" leads to in a JSON text, as it stands there; at is NULL when
 * there is no such value. */
static inline struct forebay_bytes
forebay_find(struct forebay_flow *f, struct forebay_bytes json, const char *path)
{
	return f->host->find(f, json, path);
}

/* A value that forebay_find() found, as text: a string without quotes and escapes, any other as it
 * stands; at is NULL for null. */
static inline struct forebay_bytes
forebay_text(struct forebay_flow *f, struct forebay_bytes json)
{
	return f->host->text(f, json);
}

/* Status and media type of the answer; else 200 and application/json. type may be NULL. */
static inline int
forebay_answer(struct forebay_flow *f, int status, const char *type)
{
	return f->host->answer(f, status, type);
}

/* As forebay_set_field(). */
static inline int
forebay_answer_field(struct forebay_flow *f, const char *name, const char *value)
{
	return f->host->set_field(f, name, value);
}

/* These append to the answer's body. 0, FOREBAY_TOO_LARGE or FOREBAY_NO_MEMORY; after an error
 * nothing more is taken and the flow has failed, so that one need not look. */
static inline int
forebay_put(struct forebay_flow *f, const void *at, size_t len)
{
	return f->host->put(f, at, len);
}

__attribute__((format(printf, 2, 3))) static inline int
forebay_putf(struct forebay_flow *f, const char *format, ...)
{
	va_list list;
	int err;

	va_start(list, format);
	err = f->host->format(f, format, list);
	va_end(list);
	return err;
}

/* A text as a JSON string, in quotes. */
static inline int
forebay_put_string(struct forebay_flow *f, struct forebay_bytes text)
{
	return f->host->put_string(f, text);
}

/* The result of a part as JSON, which is not copied; its fallback, or null, when it has none. */
static inline int
forebay_put_part(struct forebay_flow *f, const char *part)
{
	return f->host->put_part(f, part);
}

/* Memory that is gone after the run: as forebay_alloc(). */
static inline void *
forebay_flow_alloc(struct forebay_flow *f, size_t bytes)
{
	return f->host->alloc(f, bytes);
}

static inline uint64_t
forebay_flow_time_left(struct forebay_flow *f)
{
	return f->host->time_left(f);
}

/* return forebay_flow_fail(f, "..."): as forebay_fail(). The answer is 500. */
__attribute__((format(printf, 2, 3))) static inline int
forebay_flow_fail(struct forebay_flow *f, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	f->host->fail(f, format, list);
	va_end(list);
	return FOREBAY_FAILED;
}

#ifdef __cplusplus
}
#endif
#endif
