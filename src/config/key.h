/*
 * Key tables: what a section may say. A table stands beside the struct that
 * it fills, one line per key; defaults are text and go through the same parser
 * as what a user writes. Checks, defaults, the dump and the manual all come
 * from the table. Filled structs own nothing: texts and lists borrow from the
 * tree. Builder thread.
 *
 *   struct pool_conf {
 *           unsigned threads;            // 0: auto
 *           uint64_t max_wait;           // ns
 *           enum pool_order order;
 *   };
 *   static const char *const orders[] = { "adaptive", "fifo", NULL };
 *   const struct conf_key pool_keys[] = {
 *           { "threads", CONF_UINT, CONF_FIELD(struct pool_conf, threads), .def = "auto",
 *             .flags = CONF_AUTO, .min = 1, .max = 1024, .help = "threads of the pool" },
 *           { "max_wait", CONF_DURATION, CONF_FIELD(struct pool_conf, max_wait), .def = "500ms",
 *             .help = "longest wait that is worth queueing for" },
 *           { "order", CONF_WORD, CONF_FIELD(struct pool_conf, order), .def = "fifo",
 *             .words = orders, .help = "which job comes next" },
 *           CONF_KEYS_END
 *   };
 *   ...
 *   struct conf_table t[] = { { pool_keys, &pool }, { other_keys, &other } };
 *   if (conf_fill(section, t, 2, errors) != 0) ...      // all errors are in `errors`; may go on
 *   if (pool.threads > 64)
 *           conf_warning_at(errors, section, "threads", "more than 64 threads");
 */
#ifndef FOREBAY_CONFIG_KEY_H
#define FOREBAY_CONFIG_KEY_H

#include "base/err.h"
#include "base/writer.h"
#include "config/conf.h"

/* What a value looks like, and the type of the field that takes it. "unsigned" is
 * any of uint8_t, 16, 32, 64 (unsigned int included); a value that does not fit is an error. */
enum conf_type {
	CONF_TEXT, /* struct slice; a NUL follows */
	CONF_TEMPLATE, /* struct slice; as CONF_TEXT, said to the reader of the manual */
	CONF_PATH, /* struct slice; absolute: relative to the file that names it; .words, where
		      there are any, stay as they are */
	CONF_URL, /* struct slice; SCHEME:PATH, the path absolute as of CONF_PATH; other text as it
		     is */
	CONF_BOOL, /* bool: yes, no */
	CONF_UINT, /* unsigned */
	CONF_INT, /* int8_t ... int64_t */
	CONF_DECIMAL, /* unsigned, in thousandths: 1.5 is 1500 (min and max too) */
	CONF_DURATION, /* uint64_t, nanoseconds */
	CONF_SIZE, /* unsigned, bytes */
	CONF_PERCENT, /* unsigned: 60% is 60; at most 100 unless max says otherwise */
	CONF_SHARE, /* struct conf_share: 60% or 512m */
	CONF_WORD, /* an enum (4 bytes): the place of the word in .words */
	CONF_WORDS, /* unsigned: a bit set, comma-separated words of .words */
	CONF_ADDRESS, /* struct address (base/address.h); all zeros when not set */
	CONF_LIST, /* struct conf_list: comma-separated texts */
	CONF_PATHS, /* struct conf_list: comma-separated paths, each as CONF_PATH */
	CONF_CPUS, /* struct cpus (base/cpus.h): 0-3,7 */
	CONF_FAMILY, /* struct conf_family: every key that starts with .name ("bind.") and that
			no table knows by its full name; the longest prefix takes it. The
			name "" takes all keys that are left */
	CONF_KNOWN, /* no field: the key is known, someone else reads it */
	CONF_TYPES
};

enum conf_flag {
	CONF_REQUIRED = 1, /* must be there and not be empty */
	CONF_SECRET = 2, /* only through ${...}; never quoted in a message */
	CONF_AUTO = 4, /* the word auto is 0; for numbers whose .min is at least 1 */
	CONF_RESTART = 8, /* cannot change on reload */
	CONF_NO_DUMP = 16, /* not in the dump */
	CONF_SYSTEMD = 32, /* for paths: systemd:NAME is none, and stays as it is */
	CONF_MAY_LACK =
	    64, /* of a CONF_TEMPLATE: a value that is absent at run time is no failure */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset, width; /* CONF_FIELD */
	/* NULL or "": not set, which is all zeros, and absent from the dump. A key whose
	 * mere presence means something has no default. */
	const char *def;
	int64_t min, max; /* of numbers; max 0 (with min >= 0): none beyond the field's */
	unsigned flags;
	const char *const *words; /* CONF_WORD, CONF_WORDS, CONF_PATH: NULL-terminated */
	const char *help; /* half a sentence for the manual */
};

#define CONF_FIELD(type, field) .offset = offsetof(type, field), .width = sizeof(((type *)0)->field)
#define CONF_KEYS_END                                                                              \
	{                                                                                          \
		.name = NULL                                                                       \
	}

struct conf_share {
	uint64_t amount; /* bytes, or percent */
	bool is_percent;
};

struct conf_list {
	const struct slice *at; /* NUL-terminated texts, none empty */
	size_t count;
};

struct conf_named {
	struct slice name; /* without the prefix; NUL-terminated, not empty */
	struct slice value;
	const struct conf_entry *entry; /* for its key and line */
};

struct conf_family {
	const struct conf_named *at; /* in the order of the file */
	size_t count;
};

/* One table and the struct it fills. */
struct conf_table {
	const struct conf_key *keys; /* ends with CONF_KEYS_END; NULL: empty */
	void *into; /* NULL: the keys are known and checked, nothing is stored */
};

/*
 * Fills every struct from the section: what is written, else the default.
 * Several tables may apply to one section; a key that none of them knows is an
 * error, with the nearest of all known ones. A key that is in several tables
 * fills each. An empty value of a text is an empty text; of anything else it is
 * "not set" where there is no default and an error where there is one. A field
 * whose value is wrong gets its default, so that a caller may go on and look for more.
 * 0, ERR_SYNTAX when anything was added to e as an error, ERR_MEMORY.
 */
int conf_fill(struct conf_section *s, const struct conf_table *tables, size_t count,
	      struct conf_errors *e) MUST_CHECK;

/*
 * Writes the section with every key that has a value, defaults included, and
 * an empty line. Accepted as input, where it dumps to itself: ${...} stays
 * unexpanded, paths are absolute, lists have one form, all else is as it was written.
 */
void conf_dump_section(const struct conf_section *s, const struct conf_table *tables, size_t count,
		       struct writer *w);

/* Adds an error for every key with CONF_RESTART, of the section [kind] alone, whose text differs
 * between the two. */
void conf_check_live(const struct conf *prior, const struct conf *now, const char *kind,
		     const struct conf_key *keys, struct conf_errors *e);

/* The key of a table by its full name, families not counted; NULL if it has none. */
const struct conf_key *conf_key_find(const struct conf_key *keys, struct slice name);
/* For tables that are made at run time: whether the default of a line that is sound otherwise can
 * be read. 0, ERR_SYNTAX with what is wrong in `why`, ERR_MEMORY. */
int conf_key_check_default(const struct conf_key *k, struct conf *c, struct writer *why) MUST_CHECK;
/* "duration", "size": for the manual. */
const char *conf_type_name(enum conf_type type);

#endif
