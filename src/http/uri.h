/*
 * Request targets and paths (RFC 3986, RFC 9112 3.2): splitting, decoding once,
 * dot segments, percent-encoding. Pure functions.
 */
#ifndef FOREBAY_HTTP_URI_H
#define FOREBAY_HTTP_URI_H

#include "base/slice.h"
#include "base/writer.h"

/*
 * Makes the one form of an absolute path that routes are matched against, into
 * `memory` of at least path.len bytes: percent-escapes decoded once, then dot
 * segments resolved. When nothing has to change, *result is the input itself
 * and nothing is written. `%2F` and `%25` stay escapes (with upper-case
 * digits), so that a slash in a segment never separates segments, and decoding
 * a captured segment with uri_decode() is exact and not a second decoding.
 * "//" stays "//". Literal text of route patterns takes the same way.
 * Refused with ERR_SYNTAX: a bad escape, a NUL, a path that climbs above the
 * root, one that does not start with '/'.
 */
int uri_path_decode(struct slice path, char *memory, struct slice *result)
    __attribute__((warn_unused_result));
/*
 * Decodes every escape, into `memory` of at least s.len bytes; '+' stays. The
 * result may hold '/' and dots ("..%2Fetc"): who uses it as a file name checks.
 * ERR_SYNTAX: a bad escape or a NUL.
 */
int uri_decode(struct slice s, char *memory, struct slice *result)
    __attribute__((warn_unused_result));
/* The text of a piece of a decoded path that may hold slashes: %25 becomes %,
 * but %2F stays, because as a slash it would separate segments. Into `memory` of
 * at least s.len bytes. */
struct slice uri_rest_decode(struct slice s, char *memory);
/* Appends s, every byte but RFC 3986's unreserved ones percent-encoded. */
void uri_encode(struct writer *w, struct slice s);
/* As uri_encode, but '/' stays: for {rest...}. Dot segments in s are not touched: the caller
 * refuses them. */
void uri_encode_path(struct writer *w, struct slice s);
/* Finds a name in a raw query (a=1&b=2), names compared after decoding; the
 * raw value goes to *value (empty for "a"). False if it is not there. The first wins. */
bool uri_query_find(struct slice query, struct slice name, struct slice *value);
/* As uri_decode, of a query's name or value: '+' is a space. */
int uri_query_decode(struct slice s, char *memory, struct slice *result)
    __attribute__((warn_unused_result));
/* host[:port] of RFC 3986 3.2 without userinfo; the host may be empty, the
 * port up to 65535 or empty. No IPvFuture, no zone ids. */
bool uri_is_authority(struct slice s);
/* The host of an authority, without port; brackets of an IPv6 literal kept. */
struct slice uri_host(struct slice authority);

/* Only bytes that a host, its port and the brackets of an IPv6 address are made of. */
bool uri_is_host(struct slice s);

#endif
