/*
 * Header fields: a name, a value, and the id of those names that the engine
 * itself looks at (fields.def). Names and values are borrowed from the block
 * that the head was read into, or from an arena or a constant.
 */
#ifndef FOREBAY_HTTP_FIELD_H
#define FOREBAY_HTTP_FIELD_H

#include "base/arena.h"
#include "base/writer.h"

enum field_id {
	FIELD_OTHER,
#define FIELD(id, name, flags) FIELD_##id,
#include "http/fields.def"
#undef FIELD
	FIELD_COUNT
};

enum field_flag {
	FIELD_HOP = 1, /* belongs to one connection: never forwarded (RFC 9110 7.6.1) */
	FIELD_ONCE = 2, /* not a list: a request that has it twice is refused */
	FIELD_WIRE = 4, /* the HTTP/1 codec itself looks at its value */
};

struct field {
	struct slice name; /* as sent: any case */
	struct slice value; /* without blanks at its ends */
	enum field_id id;
};

struct fields {
	struct field *at; /* borrowed: arena or the parser's scratch */
	unsigned count, cap;
};

/* Fields that are made ready once and stand in many heads, none of a name that the engine knows. */
struct field_block {
	struct fields fields;
	struct slice lines; /* as HTTP/1 writes them */
};

/* Looks a name up, ASCII case ignored; FIELD_OTHER if it is none of ours. */
enum field_id field_id_of(struct slice name);
/* The name as we write it, e.g. "content-length"; of FIELD_OTHER, empty. */
struct slice field_name(enum field_id id);

extern const uint8_t field_flag_bytes[FIELD_COUNT];

static inline unsigned
field_flags(enum field_id id)
{
	return id < FIELD_COUNT ? field_flag_bytes[id] : 0;
}

/* Said by the connection itself, in any message: what belongs to one connection or frames a body,
 * and Host and Date. */
static inline bool
field_is_of_message(enum field_id id)
{
	return (field_flags(id) & FIELD_HOP) || id == FIELD_CONTENT_LENGTH || id == FIELD_HOST ||
	       id == FIELD_DATE;
}

/* "Name: value\r\n": a name that is ours as people write it (Content-Type), another as it came. */
void field_write_line(struct writer *w, const struct field *f);

/* The first field with that id or name, or NULL. */
const struct field *fields_find(const struct fields *f, enum field_id id);
const struct field *fields_find_name(const struct fields *f, struct slice name);
/* Room for one more, in the arena: `first` of them, then twice as many each time. The caller bounds
 * them. ERR_MEMORY. */
int fields_make_room(struct fields *f, struct arena *a, unsigned first)
    __attribute__((warn_unused_result));
/* Appends; ERR_TOO_MANY when cap is reached. The slices stay borrowed. */
int fields_add(struct fields *f, enum field_id id, struct slice value)
    __attribute__((warn_unused_result));
int fields_add_name(struct fields *f, struct slice name, struct slice value)
    __attribute__((warn_unused_result));
/* Whether a comma-separated list holds the token, ASCII case ignored. */
bool field_list_has(struct slice list, struct slice token);
/* Whether a comma-separated list in any field of that id holds the token, ASCII case ignored. */
bool fields_has_token(const struct fields *f, enum field_id id, struct slice token);
/* Whether CGI (RFC 3875 4.1.18), and what has its names from there, makes one variable of both
 * names: ASCII case ignored, and '_' is '-'. */
bool field_is_like(struct slice a, struct slice b);
/* The name of ours that it is like. */
enum field_id field_id_like(struct slice name);
/* A token of RFC 9110 5.6.2: at least one byte, all of them tchar. */
bool field_is_token(struct slice s);
/* A field value of RFC 9110 5.5: no CR, LF, NUL or other control but tab. */
bool field_is_value(struct slice s);

#endif
