/*
 * Content codings: their names, and which of them a client takes (RFC 9110
 * 8.4.1, 12.5.3). Pure functions over borrowed slices; any thread. For whoever
 * chooses among representations of one body: files with compressed siblings,
 * compression on the fly.
 *
 *   struct coding_weights w = coding_weights_of(&x->request.fields);
 *   enum coding ranked[CODING_COUNT];
 *   unsigned n = coding_rank(&w, offered, offered_count, ranked);
 *   // ranked[0] suits the client best; n == 0: send the body as it is
 */
#ifndef FOREBAY_HTTP_CODING_H
#define FOREBAY_HTTP_CODING_H

#include "http/field.h"
#include "http/weight.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BR, CODING_ZSTD, CODING_COUNT };

enum { CODING_WEIGHT_MAX = WEIGHT_MAX };

/* How much a client wants each coding, in thousandths. 0: it does not take it. */
struct coding_weights {
	uint16_t at[CODING_COUNT];
	bool has_identity; /* identity was named: what weighs less than it is not sent */
};

/* As in Content-Encoding: "gzip". Static. */
struct slice coding_name(enum coding c);
/* What a file with that coding adds to its name: ".gz"; empty for identity. Static. */
struct slice coding_extension(enum coding c);
/* By its name, ASCII case ignored, x-gzip included (RFC 9110 8.4.1.3); CODING_COUNT: none of
 * ours. */
enum coding coding_of(struct slice name);

/* From all Accept-Encoding fields of a request. Without such a field the client is sent nothing
 * coded: it may take anything, but what asks nothing is rarely a browser. Elements that break the
 * grammar are left out; of several for one coding, the first counts. Linear in the fields. */
struct coding_weights coding_weights_of(const struct fields *request);

/* Of n offered codings, which may hold identity nowhere and none twice, those that the client
 * takes: by its weights, those of one weight as they were offered. `ranked` has room for n.
 * Returns how many; 0: identity. That identity may be forbidden (identity;q=0) is not heeded: RFC
 * 9110 12.5.3 lets a server send it rather than nothing. */
unsigned coding_rank(const struct coding_weights *w, const enum coding *offered, unsigned n,
		     enum coding *ranked);

#endif
