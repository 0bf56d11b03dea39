/*
 * config/ini.h and what stands on it: any text is read to its end without harm;
 * items come with growing lines and stay inside the text; what was read, written
 * plainly, is read as the same items; the tree and its dump hold for any text.
 */
#include "config/key.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "config/ini.h"
#include "fuzz.h"

/* A dump is longer than what it is made from: a section of five bytes shows its defaults. */
enum { INPUT_BYTES = 1 << 15, DUMP_BYTES = 1 << 20 };

struct sample {
	struct slice text, path;
	uint64_t wait;
	unsigned threads;
	struct conf_list list, paths;
	struct conf_family bind, rest;
};

/* Without environment: a variable is expanded to what the process has, which is not the input's. */
static const struct conf_key keys[] = {
	{ "a", CONF_TEXT, CONF_FIELD(struct sample, text), .def = "x" },
	{ "path", CONF_PATH, CONF_FIELD(struct sample, path) },
	{ "wait", CONF_DURATION, CONF_FIELD(struct sample, wait), .def = "5s" },
	{ "threads", CONF_UINT, CONF_FIELD(struct sample, threads), .min = 1, .flags = CONF_AUTO },
	{ "list", CONF_LIST, CONF_FIELD(struct sample, list) },
	{ "paths", CONF_PATHS, CONF_FIELD(struct sample, paths) },
	{ "bind.", CONF_FAMILY, CONF_FIELD(struct sample, bind) },
	{ "", CONF_FAMILY, CONF_FIELD(struct sample, rest) },
	CONF_KEYS_END
};

/* Reads the text; returns how many items came, and how many of them are errors. */
static unsigned
read_items(struct slice text, char *memory, unsigned *errors)
{
	unsigned items = 0, line = 0;
	struct ini_item item;
	struct ini r;

	*errors = 0;
	ini_init(&r, text, memory);
	while (ini_next(&r, &item) != INI_END) {
		FUZZ_CHECK(item.line > line && item.line <= text.len + 1);
		FUZZ_CHECK(item.kind != INI_ERROR || item.what);
		FUZZ_CHECK(item.kind != INI_ENTRY ||
			   (item.key.len > 0 && utf8_is_valid(item.value)));
		FUZZ_CHECK(item.value.len <= text.len && item.text.len <= text.len);
		line = item.line;
		items++;
		*errors += item.kind == INI_ERROR;
	}
	FUZZ_CHECK(items <= text.len);
	return items;
}

/* Reads a tree and dumps it; false if the text has errors. */
static bool
dump(struct slice text, const char *name, struct writer *w)
{
	struct sample sample;
	struct conf_table table = { keys, &sample };
	struct conf_errors errors;
	struct conf *c;
	bool is_good;

	conf_errors_init(&errors);
	c = conf_read(text, name, &errors);
	for (struct conf_section *s = c ? c->sections : NULL; s; s = s->next) {
		if (conf_fill(s, &table, 1, &errors) == 0)
			conf_dump_section(s, &table, 1, w);
	}
	is_good = c && errors.errors == 0;
	FUZZ_CHECK(errors.count + errors.dropped == errors.errors + errors.warnings);
	conf_free(&c);
	conf_errors_fini(&errors);
	return is_good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice text = slice_make((const char *)bytes, len);
	char *memory = mem_alloc(len + 1), *first = mem_alloc(DUMP_BYTES),
	     *second = mem_alloc(DUMP_BYTES);
	struct writer w = writer_over(first, DUMP_BYTES), again = writer_over(second, DUMP_BYTES);
	unsigned errors;

	FUZZ_CHECK(memory && first && second);
	read_items(text, memory, &errors);
	if (len <= INPUT_BYTES && dump(text, "/etc/forebay/main.conf", &w)) {
		FUZZ_CHECK(errors == 0 && !w.is_full);
		FUZZ_CHECK(dump(writer_slice(&w), "/elsewhere/dumped.conf", &again));
		FUZZ_CHECK(slice_eq(writer_slice(&w), writer_slice(&again)));
	}
	mem_free(&memory);
	mem_free(&first);
	mem_free(&second);
	return 0;
}
