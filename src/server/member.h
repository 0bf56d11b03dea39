/*
 * Members of JSON objects, one after the other, at the end of a buffer: each
 * puts the comma that is due before it. For the pages and answers of the admin
 * listeners; names are ours and are not looked at.
 *
 *   member_object(b); member_text(b, "name", s); member_list(b, "jobs"); ... buffer_text(b, "]}");
 */
#ifndef FOREBAY_SERVER_MEMBER_H
#define FOREBAY_SERVER_MEMBER_H

#include "base/buffer.h"

/* `"name":`, for a value that follows. */
void member_name(struct buffer *b, const char *name);
void member_text(struct buffer *b, const char *name, struct slice value);
/* null where it is empty. */
void member_text_or_null(struct buffer *b, const char *name, struct slice value);
void member_number(struct buffer *b, const char *name, uint64_t value);
/* Thousandths as a decimal number. */
void member_milli(struct buffer *b, const char *name, uint64_t milli);
void member_bool(struct buffer *b, const char *name, bool value);
void member_null(struct buffer *b, const char *name);
/* `"name":[` */
void member_list(struct buffer *b, const char *name);
/* `{`, of a list or the outermost one. */
void member_object(struct buffer *b);

#endif
