/*
 * One line: a format's fields of an entry, escaped so that nothing a client sends
 * can end a line, a quoted value or a member early. Pure; no memory of its own.
 *
 * In text, bytes outside printable ASCII, '"' and '\' become \xHH. In JSON, what is
 * not UTF-8 becomes U+FFFD.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_LINE_H
#define FOREBAY_ACCESSLOG_ACCESS_LINE_H

#include "accesslog/access_clock.h"
#include "accesslog/access_format.h"

/* Appends the line, with its end, if all of it fits, else sets is_full. Of values longer than
 * value_max bytes the rest is "...". */
void access_line_write(const struct access_format *f, const struct access_entry *e,
		       struct access_clock *clock, size_t value_max, struct writer *w);

#endif
