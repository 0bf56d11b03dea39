/*
 * What is compressed, and how: the section [compression] as it was read. Made
 * with its site, then only read, by every worker.
 */
#ifndef FOREBAY_COMPRESS_RULES_H
#define FOREBAY_COMPRESS_RULES_H

#include "config/key.h"
#include "http/coding.h"
#include "http/exchange.h"
#include "thread/pool.h"

/* The keys of the section, as written. */
struct compress_conf {
	struct conf_list codings, types;
	uint64_t min_bytes;
	unsigned gzip_level, br_level, zstd_level;
	unsigned inline_bytes;
	uint64_t flush_after;
	unsigned max_streams;
	struct slice pool;
};

extern const struct conf_key compress_keys[];

struct compress_rules {
	struct compress_conf conf;
	enum coding coding[CODING_COUNT]; /* the one that we like best first */
	unsigned codings;
	unsigned level[CODING_COUNT];
	struct pool *pool; /* borrowed from the site */
	struct cost *cost; /* of a piece, there; may be NULL */
};

/* Fills what follows from rules->conf but the pool; adds what is wrong to errors. */
void compress_rules_check(struct compress_rules *r, struct conf_section *section,
			  struct conf_errors *errors);

/* Why a response is sent as it is. */
enum compress_refusal {
	COMPRESS_NOT_REFUSED,
	COMPRESS_STATUS, /* it has no body, or is 206 */
	COMPRESS_CODED, /* it has a Content-Encoding */
	COMPRESS_FORBIDDEN, /* no-transform, or a digest of the bytes */
	COMPRESS_TYPE,
	COMPRESS_SMALL, /* known to be shorter than min_bytes */
	COMPRESS_ACCEPT, /* the client takes none of our codings */
	COMPRESS_STREAMS, /* max_streams */
	COMPRESS_POOL, /* no place for a long one */
	COMPRESS_MEMORY,
	COMPRESS_REFUSALS
};

/* Looks at request and response head. CODING_IDENTITY: sent as it is, and *why says why. */
enum coding compress_choose(const struct compress_rules *r, const struct request *request,
			    const struct response *response, enum compress_refusal *why);

/* Writes the fields of a response that is coded, or that another request could have had coded
 * (CODING_IDENTITY): Vary; and for a coding Content-Encoding, a weak ETag (of a 304 too, where the
 * 200 may have been coded), no Accept-Ranges. 0 or ERR_MEMORY: nothing changed. */
int compress_edit_head(const struct compress_rules *r, struct exchange *x,
		       enum coding coding) MUST_CHECK;

#endif
