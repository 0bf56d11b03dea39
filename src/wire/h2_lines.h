/*
 * Lines of HTTP/1.1, as we write them ourselves, to fields of HTTP/2 (RFC 9113
 * 8.3.1, 8.2.2): so that what goes to a server is decided in one place for both
 * versions. A pure codec: fields borrow from the text, names keep their case.
 */
#ifndef FOREBAY_WIRE_H2_LINES_H
#define FOREBAY_WIRE_H2_LINES_H

#include "base/err.h"
#include "http/field.h"

/* How many fields may come of it, at most. */
size_t h2_lines_bound(struct slice lines);
/*
 * A request's head, from its first line to the empty one: pseudo-fields first, Host becomes
 * :authority, what belongs to one connection is left out but `TE`, cookies are cut in pieces, of
 * which a server's table keeps those that stay the same (8.2.3), unless there are very many.
 * ERR_SYNTAX: it is no such head; ERR_TOO_MANY: `to` is full.
 */
int h2_lines_request(struct slice head, struct slice scheme, struct fields *to) MUST_CHECK;
/* Field lines alone: a body's trailers. */
int h2_lines_fields(struct slice lines, struct fields *to) MUST_CHECK;

#endif
