/*
 * Request targets and paths (RFC 3986, RFC 9112 3.2): splitting, decoding once,
 * dot segments, percent-encoding. Pure functions.
 */
#ifndef FOREBAY_HTTP_URI_H
#define FOREBAY_HTTP_URI_H

#include "base/slice.h"
#include "base/writer.h"

/*
 * Decodes percent-escapes once and resolves dot segments of an absolute path
 * into `memory` of at least path.len bytes; when nothing has to change,
 * *result is the input itself and nothing is written. `%2F` stays as it is, so
 * that it never separates segments, and so does `%25` before `2F` (so that the
 * two cannot be confused later). Refused with ERR_SYNTAX: a bad escape, a NUL,
 * a path that climbs above the root, one that does not start with '/'.
 * "//" stays "//".
 */
int uri_path_decode(struct slice path, char *memory, struct slice *result) __attribute__((warn_unused_result));
/* Decodes the escapes of a captured segment, `%2F` included, into `memory` of at least s.len bytes; '+' stays. */
int uri_decode(struct slice s, char *memory, struct slice *result) __attribute__((warn_unused_result));
/* Appends s, every byte but RFC 3986's unreserved ones percent-encoded. */
void uri_encode(struct writer *w, struct slice s);
/* As uri_encode, but '/' stays: for {rest...}. Dot segments in s are not touched: the caller refuses them. */
void uri_encode_path(struct writer *w, struct slice s);
/* Finds a name in a raw query (a=1&b=2), names compared after decoding; the
 * raw value goes to *value. False if it is not there. The first wins. */
bool uri_query_find(struct slice query, struct slice name, struct slice *value);
/* Decodes a query value: '+' is a space. memory: at least s.len bytes. */
int uri_query_decode(struct slice s, char *memory, struct slice *result) __attribute__((warn_unused_result));
/* host[:port] of RFC 3986 3.2.2 without userinfo; the host may be empty. */
bool uri_is_authority(struct slice s);
/* The host of an authority, without port; brackets of an IPv6 literal kept. */
struct slice uri_host(struct slice authority);

#endif
