/*
 * What the jobs of the module compress share: their parameters, how a result is
 * delivered, and the walk over input and output in small steps.
 */
#ifndef COMPRESS_H
#define COMPRESS_H

#include <forebay_module.h>

enum compress_deliver { COMPRESS_FILE, COMPRESS_ENCODING };

struct compress_params {
	uint32_t level;
	enum compress_deliver deliver;
	struct forebay_bytes type; /* of what is inside, for COMPRESS_ENCODING; a NUL follows */
	struct forebay_bytes accept; /* the client's Accept-Encoding; at NULL: it has none */
};

extern const char *const compress_delivers[];

/* The table of a job's parameters; levels differ. */
#define COMPRESS_PARAMS(default_level, lowest, highest)                                            \
	{                                                                                          \
		{ .name = "level",                                                                 \
		  .type = FOREBAY_UINT,                                                            \
		  FOREBAY_FIELD(struct compress_params, level),                                    \
		  .def = default_level,                                                            \
		  .min = lowest,                                                                   \
		  .max = highest,                                                                  \
		  .help = "higher is smaller and slower" },                                        \
		    { .name = "deliver",                                                           \
		      .type = FOREBAY_WORD,                                                        \
		      FOREBAY_FIELD(struct compress_params, deliver),                              \
		      .def = "file",                                                               \
		      .words = compress_delivers,                                                  \
		      .help = "file: a compressed file; encoding: the input itself, as "           \
			      "Content-Encoding" },                                                \
		    { .name = "type",                                                              \
		      .type = FOREBAY_TEXT,                                                        \
		      FOREBAY_FIELD(struct compress_params, type),                                 \
		      .def = "application/octet-stream",                                           \
		      .help = "media type of the input, for deliver = encoding" },                 \
		    { .name = "accept",                                                            \
		      .type = FOREBAY_TEMPLATE,                                                    \
		      FOREBAY_FIELD(struct compress_params, accept),                               \
		      .def = "{header.accept-encoding}",                                           \
		      .flags = FOREBAY_OPTIONAL,                                                   \
		      .help = "codings that the client takes, for deliver = encoding" },           \
		    FOREBAY_PARAMS_END                                                             \
	}

struct compress_coding {
	const char *name; /* in Content-Encoding */
	const char *type; /* media type of a file */
};

/* Sets the head of the answer. 1: compress; 0: the client does not take the coding, and the input
 * has been written as it is; or enum forebay_result. */
int compress_begin(struct forebay_call *c, const struct compress_coding *coding);

/* Where a library is at. */
struct compress_stream {
	const uint8_t *in;
	size_t in_bytes;
	uint8_t *out;
	size_t out_bytes;
};

/* Moves the stream on: takes from in, gives to out. is_last: nothing comes after `in`. 1: all is
 * out; 0: goes on; or enum forebay_result. */
typedef int (*compress_step_fn)(void *state, struct compress_stream *s, bool is_last);

/* The whole input into the output, a look at who still waits before each piece. */
int compress_all(struct forebay_call *c, compress_step_fn step, void *state);

/* Each where the library is there: gzip.c, brotli.c, zstd.c. */
extern const struct forebay_param gzip_params[], brotli_params[], zstd_params[];
int gzip_run(struct forebay_call *c);
int gzip_thread_init(struct forebay_setup *s);
void gzip_thread_fini(void *module, void *thread);
int brotli_run(struct forebay_call *c);
int zstd_run(struct forebay_call *c);
int zstd_thread_init(struct forebay_setup *s);
void zstd_thread_fini(void *module, void *thread);

#endif
