/*
 * The module compress: jobs that make a body smaller, one for each library that
 * it was built with. Also an example of a module in several files: a job with
 * state for each thread (gzip.c, zstd.c), one with scratch memory (brotli.c).
 */
#include "compress.h"

#include <string.h>

enum { STEP_BYTES = 64 * 1024 }; /* between two looks at who still waits */

const char *const compress_delivers[] = { "file", "encoding", NULL };

/* --- what the client takes -------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct forebay_bytes
trim(struct forebay_bytes s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* Cuts *rest at the separator. */
static struct forebay_bytes
cut(struct forebay_bytes *rest, char separator)
{
	const char *end = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
	struct forebay_bytes first = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
	size_t used = end ? first.len + 1 : first.len;

	rest->at = rest->len > 0 ? rest->at + used : rest->at;
	rest->len -= used;
	return trim(first);
}

static bool
is_word(struct forebay_bytes s, const char *word)
{
	if (s.len != strlen(word))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i] >= 'A' && s.at[i] <= 'Z' ? (char)(s.at[i] + 32) : s.at[i];

		if (c != word[i])
			return false;
	}
	return true;
}

/* RFC 9110 12.4.2: a weight of 0, 0.0, 0.00 or 0.000 means "not acceptable". */
static bool
is_refused(struct forebay_bytes parameters)
{
	while (parameters.len > 0) {
		struct forebay_bytes value = cut(&parameters, ';');
		struct forebay_bytes name = cut(&value, '=');

		if (!is_word(name, "q"))
			continue;
		for (size_t i = 0; i < value.len; i++) {
			if (value.at[i] != '0' && value.at[i] != '.')
				return false;
		}
		return value.len > 0;
	}
	return false;
}

/* RFC 9110 12.5.3: named, or taken by an asterisk that nothing overrides. */
static bool
takes(struct forebay_bytes accept, const char *coding)
{
	bool takes_any = false;

	while (accept.len > 0) {
		struct forebay_bytes item = cut(&accept, ',');
		struct forebay_bytes name = cut(&item, ';');

		if (is_word(name, coding))
			return !is_refused(item);
		if (is_word(name, "*"))
			takes_any = !is_refused(item);
	}
	return takes_any;
}

/* --- a run ------------------------------------------------------------------------ */

int
compress_begin(struct forebay_call *c, const struct compress_coding *coding)
{
	const struct compress_params *p = (const struct compress_params *)c->params;
	int err;

	if (p->deliver == COMPRESS_FILE) {
		err = forebay_set_type(c, coding->type);
		return err ? err : 1;
	}
	err = forebay_set_type(c, p->type.at);
	if (err)
		return forebay_fail(c, "\"%s\" is no media type", p->type.at);
	err = forebay_set_field(c, "Vary", "Accept-Encoding");
	if (!err && !takes(p->accept, coding->name))
		return forebay_write(c, c->input.at, c->input.len);
	if (!err)
		err = forebay_set_field(c, "Content-Encoding", coding->name);
	return err ? err : 1;
}

/* Moves on until the piece is taken; of the last one, until all is out. */
static int
compress_piece(struct forebay_call *c, compress_step_fn step, void *state,
	       struct compress_stream *s, bool is_last)
{
	int result;

	do {
		size_t room;

		s->out = (uint8_t *)forebay_room(c, 1, &room);
		s->out_bytes = room;
		if (!s->out)
			return FOREBAY_TOO_LARGE;
		result = step(state, s, is_last);
		if (result < 0 || forebay_wrote(c, room - s->out_bytes) != 0)
			return result < 0 ? result : FOREBAY_TOO_LARGE;
	} while (is_last ? result == 0 : s->in_bytes > 0);
	return 0;
}

int
compress_all(struct forebay_call *c, compress_step_fn step, void *state)
{
	struct compress_stream s = { .in = (const uint8_t *)c->input.at };
	size_t left = c->input.len;
	int err = 0;

	do {
		if (forebay_is_cancelled(c))
			return FOREBAY_CANCELLED;
		s.in_bytes = left < STEP_BYTES ? left : STEP_BYTES;
		left -= s.in_bytes;
		err = compress_piece(c, step, state, &s, left == 0);
	} while (!err && left > 0);
	return err;
}

/* --- the module ------------------------------------------------------------------- */

static const struct forebay_job jobs[] = {
#ifdef HAVE_ZLIB
	{ .name = "gzip",
	  .help = "the gzip format (RFC 1952)",
	  .params = gzip_params,
	  .params_size = sizeof(struct compress_params),
	  .run = gzip_run,
	  .thread_init = gzip_thread_init,
	  .thread_fini = gzip_thread_fini },
#endif
#ifdef HAVE_BROTLI
	{ .name = "brotli",
	  .help = "the brotli format (RFC 7932)",
	  .params = brotli_params,
	  .params_size = sizeof(struct compress_params),
	  .run = brotli_run },
#endif
#ifdef HAVE_ZSTD
	{ .name = "zstd",
	  .help = "the zstd format (RFC 8878)",
	  .params = zstd_params,
	  .params_size = sizeof(struct compress_params),
	  .run = zstd_run,
	  .thread_init = zstd_thread_init,
	  .thread_fini = zstd_thread_fini },
#endif
	FOREBAY_JOBS_END
};

const struct forebay_module forebay_module = { FOREBAY_MODULE_HEAD, .name = "compress",
					       .version = MODULE_VERSION, .jobs = jobs };
