/*
 * Whether a response is compressed; see rules.h. All looks at head fields alone,
 * so that HEAD is answered like GET.
 */
#include "compress/rules.h"

#include "compress/encoder.h"
#include "http/status.h"

#include "config.h"

#ifdef HAVE_ZSTD
#define IF_ZSTD "zstd"
#else
#define IF_ZSTD ""
#endif
#if defined HAVE_BROTLI && defined HAVE_ZSTD
#define IF_BR ", br"
#elif defined HAVE_BROTLI
#define IF_BR "br"
#else
#define IF_BR ""
#endif
#if defined HAVE_ZLIB && (defined HAVE_ZSTD || defined HAVE_BROTLI)
#define IF_GZIP ", gzip"
#elif defined HAVE_ZLIB
#define IF_GZIP "gzip"
#else
#define IF_GZIP ""
#endif

#define SECOND INT64_C(1000000000)

const struct conf_key compress_keys[] = {
	{ "codings", CONF_LIST, CONF_FIELD(struct compress_conf, codings),
	  .def = IF_ZSTD IF_BR IF_GZIP,
	  .help = "of zstd, br and gzip, as far as this build has them; of those that a client "
		  "likes equally, the first is taken" },
	{ "types", CONF_LIST, CONF_FIELD(struct compress_conf, types),
	  .def = "text/*, application/json, application/*+json, application/javascript, "
		 "application/xml, application/*+xml, application/x-ndjson, application/wasm, "
		 "image/svg+xml, image/bmp, font/ttf, font/otf",
	  .help = "media types worth it; an asterisk stands for anything" },
	{ "min_bytes", CONF_SIZE, CONF_FIELD(struct compress_conf, min_bytes), .def = "1k",
	  .max = 1 << 30, .help = "bodies that are known to be shorter are sent as they are" },
	{ "gzip_level", CONF_UINT, CONF_FIELD(struct compress_conf, gzip_level), .def = "5",
	  .min = 1, .max = 9, .help = "higher is smaller and slower" },
	{ "br_level", CONF_UINT, CONF_FIELD(struct compress_conf, br_level), .def = "4", .max = 6,
	  .help = "higher is smaller and slower" },
	{ "zstd_level", CONF_UINT, CONF_FIELD(struct compress_conf, zstd_level), .def = "3",
	  .min = 1, .max = 12, .help = "higher is smaller and slower" },
	{ "inline_bytes", CONF_SIZE, CONF_FIELD(struct compress_conf, inline_bytes), .def = "8k",
	  .max = 64 << 10,
	  .help = "what the worker compresses itself; longer bodies are jobs, a piece at a time" },
	{ "flush_after", CONF_DURATION, CONF_FIELD(struct compress_conf, flush_after),
	  .def = "20ms", .max = 10 * SECOND,
	  .help = "a byte that came from the source waits no longer for others" },
	{ "max_streams", CONF_UINT, CONF_FIELD(struct compress_conf, max_streams), .def = "128",
	  .min = 1, .max = 1 << 20,
	  .help = "responses compressed at a time, each worker having its share; more are sent as "
		  "they are" },
	{ "pool", CONF_TEXT, CONF_FIELD(struct compress_conf, pool), .def = "compute",
	  .help = "where long bodies are compressed" },
	CONF_KEYS_END
};

/* --- reading ------------------------------------------------------------------------- */

static void
check_coding(struct compress_rules *r, struct slice name, struct conf_section *section,
	     struct conf_errors *errors)
{
	enum coding c = coding_of(name);

	if (c == CODING_COUNT || c == CODING_IDENTITY) {
		conf_error_at(errors, section, "codings", "%s is none of zstd, br, gzip",
			      conf_quote(name).text);
		return;
	}
	if (!encoder_ops_of(c)) {
		conf_error_at(errors, section, "codings", "this build is without %.*s",
			      SLICE_PRINT(name));
		return;
	}
	for (unsigned i = 0; i < r->codings; i++) {
		if (r->coding[i] == c) {
			conf_error_at(errors, section, "codings", "%.*s is there twice",
				      SLICE_PRINT(name));
			return;
		}
	}
	r->coding[r->codings++] = c;
}

void
compress_rules_check(struct compress_rules *r, struct conf_section *section,
		     struct conf_errors *errors)
{
	r->codings = 0;
	r->level[CODING_GZIP] = r->conf.gzip_level;
	r->level[CODING_BR] = r->conf.br_level;
	r->level[CODING_ZSTD] = r->conf.zstd_level;
	for (size_t i = 0; i < r->conf.codings.count; i++)
		check_coding(r, r->conf.codings.at[i], section, errors);
	for (size_t i = 0; i < r->conf.types.count; i++) {
		if (slice_find(r->conf.types.at[i], '/') == r->conf.types.at[i].len)
			conf_error_at(errors, section, "types", "%s is no media type",
				      conf_quote(r->conf.types.at[i]).text);
	}
}

/* --- whether -------------------------------------------------------------------------- */

/* One asterisk stands for any bytes; ASCII case ignored. */
static bool
is_like(struct slice type, struct slice pattern)
{
	size_t star = slice_find(pattern, '*'), tail;

	if (star == pattern.len)
		return slice_eq_nocase(type, pattern);
	tail = pattern.len - star - 1;
	return type.len >= star + tail &&
	       slice_eq_nocase(slice_make(type.at, star), slice_make(pattern.at, star)) &&
	       slice_eq_nocase(slice_after(type, type.len - tail), slice_after(pattern, star + 1));
}

static bool
is_worth_it(const struct compress_rules *r, const struct response *response)
{
	const struct field *f = fields_find(&response->fields, FIELD_CONTENT_TYPE);
	struct slice type = f ? f->value : SLICE("");

	type = slice_trim(slice_cut(&type, ';'));
	for (size_t i = 0; type.len > 0 && i < r->conf.types.count; i++) {
		if (is_like(type, r->conf.types.at[i]))
			return true;
	}
	return false;
}

static bool
is_coded(const struct response *response)
{
	const struct field *f = fields_find(&response->fields, FIELD_CONTENT_ENCODING);

	return f && !slice_eq_nocase(f->value, SLICE("identity"));
}

/* RFC 9111 5.2.2.6; RFC 9530: what is coded has another digest. */
static bool
is_forbidden(const struct response *response)
{
	static const struct slice digests[] = { SLICE_INIT("repr-digest"),
						SLICE_INIT("content-digest"), SLICE_INIT("digest"),
						SLICE_INIT("content-md5") };

	if (fields_has_token(&response->fields, FIELD_CACHE_CONTROL, SLICE("no-transform")))
		return true;
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		if (fields_find_name(&response->fields, digests[i]))
			return true;
	}
	return false;
}

static enum compress_refusal
refuse(const struct compress_rules *r, const struct request *request,
       const struct response *response)
{
	bool is_empty = response->framing == BODY_NONE && request->method != METHOD_HEAD;

	if (!status_has_body(response->status) || response->status == 206 || is_empty)
		return COMPRESS_STATUS;
	if (response->framing == BODY_LENGTH &&
	    (response->content_length == 0 || response->content_length < r->conf.min_bytes))
		return COMPRESS_SMALL;
	if (is_coded(response) || fields_find(&response->fields, FIELD_CONTENT_RANGE))
		return COMPRESS_CODED;
	if (!is_worth_it(r, response))
		return COMPRESS_TYPE;
	return is_forbidden(response) ? COMPRESS_FORBIDDEN : COMPRESS_NOT_REFUSED;
}

/* The coding that suits the client best. */
static enum coding
best_for(const struct compress_rules *r, const struct request *request)
{
	struct coding_weights w = coding_weights_of(&request->fields);
	enum coding ranked[CODING_COUNT];

	return coding_rank(&w, r->coding, r->codings, ranked) > 0 ? ranked[0] : CODING_IDENTITY;
}

enum coding
compress_choose(const struct compress_rules *r, const struct request *request,
		const struct response *response, enum compress_refusal *why)
{
	enum coding best;

	*why = refuse(r, request, response);
	if (*why != COMPRESS_NOT_REFUSED)
		return CODING_IDENTITY;
	best = best_for(r, request);
	if (best == CODING_IDENTITY)
		*why = COMPRESS_ACCEPT;
	return best;
}

/* --- the head --------------------------------------------------------------------------- */

/* RFC 9110 8.8.3: what is coded is not the same byte by byte. */
static struct slice
weaken(struct arena *a, struct slice etag)
{
	char *memory;
	struct writer w;

	if (etag.len == 0 || etag.at[0] != '"')
		return etag;
	memory = arena_alloc(a, etag.len + 2);
	w = writer_over(memory, memory ? etag.len + 2 : 0);
	writer_put(&w, SLICE("W/"));
	writer_put(&w, etag);
	return w.is_full ? slice_make(NULL, 0) : writer_slice(&w);
}

/* Fields of an uncoded body. */
static bool
is_dropped(enum field_id id)
{
	return id == FIELD_ACCEPT_RANGES || id == FIELD_CONTENT_LENGTH ||
	       id == FIELD_CONTENT_ENCODING;
}

static int
copy_fields(struct exchange *x, enum coding coding, bool weakens, struct fields *to)
{
	const struct fields *from = &x->response.fields;

	for (unsigned i = 0; i < from->count; i++) {
		struct field f = from->at[i];

		if (coding != CODING_IDENTITY && is_dropped(f.id))
			continue;
		if (weakens && f.id == FIELD_ETAG) {
			f.value = weaken(&x->arena, f.value);
			if (!f.value.at)
				return ERR_MEMORY;
		}
		to->at[to->count++] = f;
	}
	return 0;
}

int
compress_edit_head(const struct compress_rules *r, struct exchange *x, enum coding coding)
{
	struct fields *f = &x->response.fields, edited = { .cap = f->count + 2 };
	bool varies = fields_has_token(f, FIELD_VARY, SLICE("accept-encoding")) ||
		      fields_has_token(f, FIELD_VARY, SLICE("*"));
	/* A 304 is about what the client has, which was coded, or else does not mind. */
	bool is_about_coded =
	    x->response.status == 304 && best_for(r, &x->request) != CODING_IDENTITY;
	int err;

	if (varies && coding == CODING_IDENTITY && !is_about_coded)
		return 0;
	edited.at = arena_zalloc(&x->arena, edited.cap, sizeof(*edited.at));
	if (!edited.at)
		return ERR_MEMORY;
	err = copy_fields(x, coding, coding != CODING_IDENTITY || is_about_coded, &edited);
	if (!err && coding != CODING_IDENTITY)
		err = fields_add(&edited, FIELD_CONTENT_ENCODING, coding_name(coding));
	if (!err && !varies)
		err = fields_add(&edited, FIELD_VARY, SLICE("Accept-Encoding"));
	if (err)
		return err;
	*f = edited;
	x->prepared = (struct slice){ 0 };
	return 0;
}
